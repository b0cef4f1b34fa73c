/** `npm run soak`: whole windows through random faults and kills, on sandboxes of their own. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { randomInt } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exit } from '../../../lib/base/errors';
import { bundleCommand } from '../../../scripts/bundle';
import { endLines, repeatCommand, runLine } from '../lib/soak/screen';
import { soak } from '../lib/soak/soak';

const whole = (low: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) throw new InvalidArgumentError(`it must be a whole number from ${low} on.`);
  return value;
};

const program = new Command('soak')
  .description(
    'whole windows of the example with customers, through faults and kills that a seed chooses; what must hold is checked by other code',
  )
  .option('--runs <n>', 'so many windows', whole(1), 1)
  .option('--seed <n>', 'of the first window; the next ones count up (default: a random one)', whole(0))
  .option('--jobs <n>', 'windows at a time', whole(1), 1)
  .option('--baseline <folder>', 'keep the deployed system that runs start from there, for the next soak of the same code')
  .option('--json', 'JSON lines on standard output')
  .option('--keep', "leave every run's folder behind, databases included")
  .exitOverride();

interface Flags {
  runs: number;
  seed?: number;
  jobs: number;
  baseline?: string;
  json?: boolean;
  keep?: boolean;
}

async function main(flags: Flags): Promise<number> {
  const interrupted = new AbortController();
  // on, not once: npm passes a Ctrl-C on that has reached us already, and the second must not end us before what we started has ended.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const seed = flags.seed ?? randomInt(1_000_000);
  const log = join(tmpdir(), `switchback-soak-${process.pid}.log`);
  const lines = createWriteStream(log);
  const live = process.stderr.isTTY === true && !flags.json;
  const clear = () => live && process.stderr.write('\r\x1b[K');
  const say = (text: string) => {
    clear();
    if (!flags.json) process.stderr.write(`${text}\n`);
  };
  const emit = (event: object) => flags.json && process.stdout.write(`${JSON.stringify(event)}\n`);
  say(`seed ${seed}, ${flags.runs} runs`);
  let done = 0;
  let ok = false;
  try {
    const result = await soak({
      root: join(__dirname, '../../..'),
      temp: tmpdir(),
      bundle: bundleCommand,
      ...{ runs: flags.runs, seed, jobs: flags.jobs, keep: flags.keep ?? false },
      ...(flags.baseline === undefined ? {} : { baseline: resolve(flags.baseline) }),
      onPhase: (phase) => live && process.stderr.write(`\r\x1b[K${done} of ${flags.runs} done; ${phase} …`),
      onLine: (source, line) => lines.write(`${source}: ${line}\n`),
      onResult: (run) => {
        done += 1;
        say(runLine(run));
        emit({ event: 'soak.run', ...run, repeat: repeatCommand(run.seed) });
      },
      signal: interrupted.signal,
    });
    const failed = result.results.filter(({ passed }) => !passed).length;
    ok = failed === 0 && result.results.length === flags.runs;
    for (const line of endLines(result)) say(line);
    emit({ event: 'soak.finished', passed: result.results.length - failed, failed, folder: result.folder });
    if (interrupted.signal.aborted) say('interrupted; everything that was started has been stopped');
    return interrupted.signal.aborted ? exit.interrupted : ok ? exit.done : exit.failed;
  } catch (error) {
    say(
      interrupted.signal.aborted
        ? 'interrupted; everything that was started has been stopped'
        : `the soak failed: ${(error as Error).message}`,
    );
    say(`every line of the baseline: ${log}`);
    emit({ event: 'soak.failed', message: (error as Error).message });
    return interrupted.signal.aborted ? exit.interrupted : exit.failed;
  } finally {
    lines.end();
    if (ok) rmSync(log, { force: true });
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
