/**
 * The command: start in the foreground or detached, stop, status, env. Answers the exit code: 0, 1 failed, 2 wrong use. It is started
 * as `npm run sandbox --` in the repository, as `npx switchback sandbox` or `npx cdk-switchback-sandbox` where it is installed, and
 * spells itself as it was.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { closedFolder } from './access/folder';
import { ownerOf } from './access/keys';
import { environmentFor } from './environment';
import { faultsOf } from './faults';
import { bornOf, type Running, runningSandbox, SandboxError } from './lock';
import { startSandbox } from './server';

interface Options {
  readonly port: number;
  readonly folder: string;
  readonly speed: number;
  readonly images?: string;
  readonly faults?: string;
  readonly detach?: boolean;
}

/** Set for the process that `--detach` leaves behind, to the command as it was started: it tells its parent how the start went. */
const DETACHED = 'SWITCHBACK_SANDBOX_DETACHED';
const detachedBy = process.env[DETACHED];
// the tasks and functions that this process will start are not it.
delete process.env[DETACHED];
/** What the CDK CLI and the SDK would say about their own versions: nothing that this machine has to do about AWS. */
const quiet = { CDK_DISABLE_VERSION_CHECK: '1', AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
const EXAMPLE_IMAGES = 'examples/video/images';

/** @param spelled how a person starts it: `npm run sandbox --`, `npx switchback sandbox` */
export async function sandboxCommand(args: readonly string[], spelled: string): Promise<number> {
  let code = 0;
  const as = detachedBy ?? spelled;
  const program = new Command(as)
    .description('AWS on this machine: real databases, a real load balancer, real tasks; on 127.0.0.1 only')
    .option('--port <port>', 'where it listens; 0 for a free port', wholeNumber, 4566)
    .option('--folder <folder>', 'where its state lives, also after it has stopped', '.switchback/sandbox')
    .option('--speed <factor>', 'AWS seconds per second: with 60, what takes AWS 3 minutes takes 3 seconds', positive, 60)
    .option('--images <folder>', `images of the tasks: video:v1 is <folder>/video/v1 (default: ${EXAMPLE_IMAGES} if it is there)`)
    .option('--faults <seed[:rate]>', 'things go wrong by this seed: load, errors, lost and slow answers (rate: 0.05)')
    .option('--detach', 'return as soon as it answers, and leave it running')
    .exitOverride()
    .action(async (options: Options) => {
      await (options.detach ? detach(options, as) : foreground(options, as));
    });
  const command = (name: string, description: string, action: (options: Options, as: string) => Promise<void> | void): void => {
    program
      .command(name)
      .description(description)
      .action((_: object, self: Command) => action(self.optsWithGlobals<Options>(), as));
  };
  command('stop', 'stop the sandbox of this folder; its state stays', stop);
  command('status', 'say whether one runs, and where; exit code 1 if none does', status);
  command('env', `print what a shell needs: ${evaluated(as)}`, printEnvironment);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    code = codeOf(error, as);
  }
  return code;
}

/** What puts the sandbox's environment into a shell. npm prints lines of its own, which no shell can evaluate, unless it is told not to. */
const evaluated = (as: string): string => `eval "$(${as.replace(/^npm run /, 'npm run --silent ')} env)"`;

function codeOf(error: unknown, as: string): number {
  // commander has already said what is wrong; help is no error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (!(error instanceof Error)) throw error;
  const message = error instanceof SandboxError && error.type ? `${error.message} ${as} ${error.type}` : error.message;
  if (detachedBy !== undefined && process.send) process.send({ failed: message, usage: error instanceof SandboxError });
  console.error(`sandbox: ${message}`);
  return error instanceof SandboxError ? 2 : 1;
}

function imagesOf(options: Options): string | undefined {
  const images = options.images ?? (existsSync(EXAMPLE_IMAGES) ? EXAMPLE_IMAGES : undefined);
  return images === undefined ? undefined : resolve(images);
}

async function foreground(options: Options, as: string): Promise<void> {
  const { folder, port, speed } = options;
  const faults = options.faults === undefined ? undefined : faultsOf(options.faults);
  // listened for before anything starts: Ctrl-C in the middle of the start must find what was started and stop it.
  const ending = new Promise<Error | undefined>((ended) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ended(undefined));
    // whatever happens, the databases and tasks it started end with it.
    process.on('uncaughtException', (error) => ended(error));
  });
  const sandbox = await startSandbox({ folder, port, speed, images: imagesOf(options), faults });
  console.log(`sandbox at ${sandbox.endpoint}, ${speed} AWS seconds per second, state in ${folder}`);
  console.log(`for every terminal: ${evaluated(as)}`);
  if (detachedBy !== undefined) process.send?.({ ready: sandbox.endpoint }, () => process.disconnect());
  const failure = await ending;
  await sandbox.stop();
  if (failure) throw failure;
}

type Report = { readonly ready: string } | { readonly failed: string; readonly usage: boolean };

async function detach(options: Options, as: string): Promise<void> {
  const folder = resolve(options.folder);
  closedFolder(folder);
  const logFile = join(folder, 'sandbox.log');
  const log = openSync(logFile, 'a');
  const images = imagesOf(options);
  const args = [
    '--folder',
    folder,
    '--port',
    String(options.port),
    '--speed',
    String(options.speed),
    ...(images ? ['--images', images] : []),
    ...(options.faults === undefined ? [] : ['--faults', options.faults]),
  ];
  // TypeScript in the repository, JavaScript in the package.
  const bin = join(__dirname, '..', 'bin');
  const program = __filename.endsWith('.ts') ? ['--import', 'tsx', join(bin, 'sandbox.ts')] : [join(bin, 'sandbox.js')];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: join(__dirname, '..'),
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { ...process.env, [DETACHED]: as },
  });
  closeSync(log);
  const report = await new Promise<Report>((done) => {
    child.once('message', (message) => done(message as Report));
    child.once('error', (error) => done({ failed: error.message, usage: false }));
    child.once('exit', (code, signal) => done({ failed: `it ended at once (${signal ?? code}); ${logFile} says why.`, usage: false }));
  });
  if ('failed' in report) throw report.usage ? new SandboxError(report.failed) : new Error(report.failed);
  child.unref();
  console.log(`sandbox at ${report.ready}, process ${child.pid}`);
  console.log(`log in ${relative(process.cwd(), logFile)}`);
  console.log(`for every terminal: ${evaluated(as)}`);
}

async function stop({ folder }: Options, as: string): Promise<void> {
  const running = mustRun(folder, as);
  process.kill(running.pid, 'SIGTERM');
  const deadline = Date.now() + 60_000;
  while (bornOf(running.pid) === running.born) {
    if (Date.now() > deadline) throw new Error(`process ${running.pid} has not ended after 60 seconds; kill -9 ${running.pid} ends it.`);
    await new Promise((done) => setTimeout(done, 50));
  }
  console.log(`sandbox at ${running.endpoint} stopped, state kept in ${folder}`);
}

function status({ folder }: Options, as: string): void {
  const { endpoint, pid, speed } = mustRun(folder, as);
  console.log(`sandbox at ${endpoint}, process ${pid}, ${speed} AWS seconds per second, state in ${folder}`);
}

function printEnvironment({ folder }: Options, as: string): void {
  const { endpoint } = mustRun(folder, as);
  // a profile or a session token of a real account would win over the keys.
  console.log('unset AWS_PROFILE AWS_SESSION_TOKEN');
  for (const [name, value] of Object.entries({ ...environmentFor(endpoint, ownerOf(resolve(folder))), ...quiet }))
    console.log(`export ${name}=${value}`);
}

function mustRun(folder: string, as: string): Running {
  const running = runningSandbox(resolve(folder));
  if (!running) throw new Error(`no sandbox runs on ${folder}; ${as} --detach starts one.`);
  return running;
}

function wholeNumber(text: string): number {
  const port = Number(text);
  if (text === '' || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535.');
  return port;
}

function positive(text: string): number {
  const factor = Number(text);
  if (!(factor > 0) || !Number.isFinite(factor)) throw new InvalidArgumentError('the factor is a number greater than 0.');
  return factor;
}
