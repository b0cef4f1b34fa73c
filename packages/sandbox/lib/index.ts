/** What the package offers besides its command: a sandbox in the process of a test. */
export { sandboxCommand } from './command';
export type { Pair, PairOptions, PairSession, PairSide } from './postgres/pair';
export { startPair } from './postgres/pair';
export type { RunningSandbox, SandboxOptions } from './server';
export { startSandbox } from './server';
