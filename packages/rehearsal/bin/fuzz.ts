/** `npm run fuzz`: windows with random schemas, migrations and writes, judged by a model of its own. */
import { randomInt } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exit } from '../../../lib/base/errors';
import { caseOf } from '../lib/fuzz/case';
import { fuzz, type Judged, shrunk } from '../lib/fuzz/fuzz';
import { hazards, kinds } from '../lib/fuzz/kinds';
import { mutate } from '../lib/fuzz/mutate';
import { mutationsOf } from '../lib/fuzz/mutations';
import { foundWords, refusalLines, repeatCommand, tableLines, wrongLines } from '../lib/fuzz/screen';

const whole = (low: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < low) throw new InvalidArgumentError(`it must be a whole number from ${low} on.`);
  return value;
};
const more = (text: string, before: number[] | undefined): number[] => [...(before ?? []), whole(0)(text)];
const kindNamed = (name: string): string => {
  if ([...kinds, ...hazards].some((kind) => kind.name === name)) return name;
  throw new InvalidArgumentError(`it is one of: ${[...kinds, ...hazards].map((kind) => kind.name).join(', ')}.`);
};

const program = new Command('fuzz')
  .description(
    'windows with random schemas, migrations and writes on two local servers; what the old release must find is computed by other code',
  )
  .option('--windows <n>', 'so many', whole(1), 50)
  .option('--seed <n>', 'of the first window; the next ones count up (default: a random one)', whole(0))
  .option('--seeds <n...>', 'only these windows', more)
  .option(
    '--mutate [names...]',
    'switch off what carries or refuses each kind of schema change, and say after how many windows that is found',
  )
  .option('--kind <name>', 'each window has a change of this kind', kindNamed)
  .option('--jobs <n>', 'pairs of servers at a time', whole(1), 1)
  .option('--no-shrink', 'leave a window that is wrong as it was generated')
  .option('--json', 'JSON lines on standard output')
  .exitOverride();

interface Flags {
  windows: number;
  seed?: number;
  seeds?: number[];
  mutate?: true | string[];
  kind?: string;
  jobs: number;
  shrink: boolean;
  json?: boolean;
}

async function main(flags: Flags): Promise<number> {
  if (flags.mutate) return mutateAll(flags.mutate === true ? [] : flags.mutate, flags);
  const { seed = randomInt(1_000_000), kind, jobs, shrink, json } = flags;
  const seeds = flags.seeds ?? Array.from({ length: flags.windows }, (_, index) => seed + index);
  const windows = seeds.length;
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const say = (text: string) => void (json || process.stderr.write(`${text}\n`));
  const emit = (event: object) => json && process.stdout.write(`${JSON.stringify(event)}\n`);
  let folder: string | undefined;
  const wrong = async (judged: Judged): Promise<void> => {
    for (const line of wrongLines(judged, kind)) say(line);
    const small = shrink && !interrupted.signal.aborted ? await shrunk(judged, { kind }) : judged;
    folder ??= mkdtempSync(join(tmpdir(), 'switchback-fuzz-'));
    const file = join(folder, `seed-${judged.seed}.json`);
    const found = caseOf(`fuzz-${judged.seed}`, small.played);
    writeFileSync(file, `${JSON.stringify([found], undefined, 2)}\n`);
    say(`  as small as it gets: npm run try -- --case ${file}`);
    emit({
      event: 'fuzz.wrong',
      seed: judged.seed,
      fault: judged.fault,
      differences: small.differences,
      case: found,
      repeat: repeatCommand(judged.seed, kind),
    });
  };
  say(flags.seeds ? `seeds ${seeds.join(', ')}` : `seed ${seed}, ${windows} windows`);
  const began = performance.now();
  let done = 0;
  const { judged, tally } = await fuzz({
    ...{ seeds, jobs, kind, signal: interrupted.signal },
    onJudged: async (one) => {
      done += 1;
      if (process.stderr.isTTY && !json) process.stderr.write(`\r${done} of ${windows}\r`);
      emit({
        event: 'fuzz.window',
        seed: one.seed,
        verdict: one.verdict,
        kinds: one.played.kinds,
        fault: one.fault,
        differences: one.differences,
        seconds: one.seconds,
      });
      if (one.verdict === 'wrong') await wrong(one);
    },
  });
  const seconds = (performance.now() - began) / 1000;
  for (const line of tableLines(tally)) say(line);
  for (const line of ['', 'refused, by reason:', ...refusalLines(judged)]) say(line);
  const count = (verdict: Judged['verdict']): number => judged.filter((one) => one.verdict === verdict).length;
  const sums = { right: count('right'), refused: count('refused'), wrong: count('wrong') };
  say(`${judged.length} windows in ${Math.round(seconds)} s: ${sums.right} right, ${sums.refused} refused, ${sums.wrong} wrong`);
  emit({ event: 'fuzz.finished', seed, windows: judged.length, ...sums, seconds: Math.round(seconds), kinds: Object.fromEntries(tally) });
  return interrupted.signal.aborted ? exit.interrupted : sums.wrong === 0 ? exit.done : exit.failed;
}

/** The table of what is switched off. */
async function mutateAll(names: readonly string[], { seed = 1, windows, json }: Flags): Promise<number> {
  const root = join(__dirname, '../../..');
  const chosen = mutationsOf(root).filter(({ name }) => names.length === 0 || names.includes(name));
  const width = Math.max(...chosen.map(({ name }) => name.length));
  let missed = 0;
  await mutate({
    ...{ root, mutations: chosen, seed, windows: windows === 50 ? 200 : windows },
    onFound: (found) => {
      if (!found.after && !found.only) missed += 1;
      if (json) process.stdout.write(`${JSON.stringify({ event: 'fuzz.mutation', ...found })}\n`);
      else process.stderr.write(`${found.name.padEnd(width)}  ${foundWords(found)}\n`);
    },
  });
  return missed === 0 ? exit.done : exit.failed;
}

try {
  program.parse();
  void main(program.opts<Flags>()).then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      process.stderr.write(`the fuzz failed: ${(error as Error).message}\n`);
      process.exitCode = exit.failed;
    },
  );
} catch (error) {
  // commander has said what is wrong with the words; help is no error.
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? exit.done : exit.usage;
}
