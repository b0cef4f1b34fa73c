/** `npm run rehearse`: whole windows on a sandbox of its own, measured. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { createWriteStream, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exit } from '../../../lib/base/errors';
import { bundleCommand } from '../../../scripts/bundle';
import { RehearsalFailed, rehearse } from '../lib/rehearsal/rehearse';
import { rehearsalTable } from '../lib/rehearsal/table';

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('it must be a number above 0.');
  return value;
};

const program = new Command('rehearse')
  .description(
    'v1 live with customers, w1 up to the gate and back, w2 opened and taken back, w3 through to the teardown, on a sandbox of its own',
  )
  .option('--json', 'one object on standard output at the end')
  .option('--speed <n>', 'AWS seconds per second', positive, 120)
  .option('--rate <n>', "customers' requests per second", positive, 30)
  .option('--hold <seconds>', 'of the hold after the last cutover', positive, 10)
  .option('--open <seconds>', 'that customers use the new release before everything is taken back', positive, 12)
  .option('--verbose', 'every line of every process')
  .option('--keep', 'leave the folder with the sandbox behind')
  .exitOverride();
interface Flags {
  json?: boolean;
  speed: number;
  rate: number;
  hold: number;
  open: number;
  verbose?: boolean;
  keep?: boolean;
}

async function main(flags: Flags): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  const from = performance.now();
  const log = join(tmpdir(), `switchback-rehearsal-${process.pid}.log`);
  const lines = createWriteStream(log);
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const seconds = () => `${((performance.now() - from) / 1000).toFixed(0).padStart(4)} s`;
  try {
    const result = await rehearse({
      root: join(__dirname, '../../..'),
      temp: tmpdir(),
      speed: flags.speed,
      rate: flags.rate,
      holdSeconds: flags.hold,
      openSeconds: flags.open,
      bundle: bundleCommand,
      keep: flags.keep ?? false,
      onPhase: (phase) => say(`${seconds()}  ${phase}`),
      onLine: (source, line) => {
        lines.write(`${seconds()} ${source}: ${line}\n`);
        if (flags.verbose) say(`${seconds()}  ${source}: ${line}`);
      },
      signal: interrupted.signal,
    });
    say(rehearsalTable(result));
    if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'rehearsal.finished', ...result })}\n`);
    if (result.ok) rmSync(log, { force: true });
    else say(`every line of every process: ${log}`);
    return result.ok ? exit.done : exit.failed;
  } catch (error) {
    say(
      interrupted.signal.aborted
        ? 'interrupted; everything that was started has been stopped'
        : error instanceof RehearsalFailed
          ? `the rehearsal failed: ${error.message}`
          : String((error as Error).stack),
    );
    say(`every line of every process: ${log}`);
    if (flags.json)
      process.stdout.write(`${JSON.stringify({ event: 'rehearsal.finished', ok: false, problems: [(error as Error).message] })}\n`);
    return interrupted.signal.aborted ? exit.interrupted : exit.failed;
  } finally {
    lines.end();
  }
}

try {
  program.parse();
  void main(program.opts<Flags>()).then((code) => {
    process.exitCode = code;
  });
} catch (error) {
  // commander has said what is wrong with the words; help is no error.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exit.done : exit.usage;
}
