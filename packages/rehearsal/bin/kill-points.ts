/** `npm run kill-points`: every verb killed before and after each of its changing calls, and taken up by somebody else. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exit } from '../../../lib/base/errors';
import { walkScenario } from '../lib/kill-points/kill-points';
import { scenarios } from '../lib/kill-points/scenarios';
import { makeBaseline, soakSpeed } from '../lib/test-system/baseline';

const shareOf = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('it must be above 0 and at most 1.');
  return value;
};

const program = new Command('kill-points')
  .description('whole windows in which every run is killed before and after each of its changing calls, and taken up by somebody else')
  .option('--scenario <names...>', `only these: ${scenarios.map(({ name }) => name).join(', ')}`)
  .option('--share <share>', 'kill at this share of the points only, chosen by the seed', shareOf, 1)
  .option('--seed <n>', 'of the choice', Number, 1)
  .option('--match <words>', 'kill only at points whose names match this regular expression', (words) => new RegExp(words))
  .option('--complete', 'also kill at points that only an undisturbed run meets: a run without kills first, and up to three more')
  .option('--baseline <folder>', 'keep the deployed system that scenarios start from there, for the next run of the same code')
  .option('--points', 'a line for each kill')
  .exitOverride();

interface Flags {
  scenario?: string[];
  share: number;
  seed: number;
  match?: RegExp;
  complete?: boolean;
  baseline?: string;
  points?: boolean;
}

async function main(flags: Flags): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  const unknown = flags.scenario?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  if (unknown.length > 0) {
    process.stderr.write(`there is no scenario ${unknown.join(', ')}; there are ${scenarios.map(({ name }) => name).join(', ')}\n`);
    return exit.usage;
  }
  const chosen = scenarios.filter(({ name }) => flags.scenario?.includes(name) ?? true);
  const from = performance.now();
  const say = (line: string) => process.stdout.write(`${((performance.now() - from) / 1000).toFixed(0).padStart(5)} s  ${line}\n`);
  const root = join(__dirname, '../../..');
  const temp = mkdtempSync(join(tmpdir(), 'switchback-kill-points-'));
  const baseline = flags.baseline === undefined ? join(temp, 'baseline') : resolve(flags.baseline);
  const onLine = () => undefined;
  const kills = new Map<string, number>();
  const kinds = new Set<string>();
  let failed = 0;
  try {
    if (chosen.some((scenario) => scenario.from === 'eve'))
      await makeBaseline({ root, folder: baseline, onLine, onPhase: say, signal: interrupted.signal });
    for (const scenario of chosen) {
      say(`${scenario.name}: ${scenario.what}`);
      const result = await walkScenario(scenario, {
        ...{ root, baseline, speed: soakSpeed, onLine, signal: interrupted.signal },
        ...{ share: flags.share, seed: flags.seed, complete: flags.complete ?? false, ...(flags.match ? { match: flags.match } : {}) },
        onKill: (_, killedAt) => flags.points && say(`  ${killedAt}`),
        onVerb: (_, line) => say(`  ${line}`),
      });
      for (const [verb, count] of Object.entries(result.kills)) kills.set(verb, (kills.get(verb) ?? 0) + count);
      for (const kind of result.kinds) kinds.add(kind);
      const count = Object.values(result.kills).reduce((sum, one) => sum + one, 0);
      const missed = flags.complete ? `, ${result.missed.length} points missed` : '';
      say(
        `${scenario.name}: ${count} kills${missed}, ${result.acknowledged} acknowledged writes, ${result.looks} looks, ${result.seconds.toFixed(0)} s`,
      );
      for (const point of result.missed) say(`  missed: ${point}`);
      for (const problem of result.problems) say(`  ✖ ${problem}`);
      if (result.problems.length > 0 || result.missed.length > 0) failed += 1;
      if (interrupted.signal.aborted) return exit.interrupted;
    }
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
  say(`kinds of changing calls seen: ${[...kinds].sort().join(', ')}`);
  for (const [verb, count] of kills) say(`${verb}: ${count} kill points`);
  const total = [...kills.values()].reduce((sum, count) => sum + count, 0);
  say(`${total} kill points tested on ${chosen.length} scenarios: ${failed === 0 ? 'all passed' : `${failed} scenarios FAILED`}`);
  return failed === 0 ? exit.done : exit.failed;
}

async function run(): Promise<number> {
  try {
    program.parse(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.done : exit.usage;
    throw error;
  }
  return main(program.opts<Flags>());
}

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(exit.failed);
  },
);
