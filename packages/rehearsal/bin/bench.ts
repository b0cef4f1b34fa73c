/** `npm run bench -- window`, `-- database`, `-- fence`, `-- traffic-only` or `-- switch`: numbers that the documentation quotes, measured anew on this machine. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { exit } from '../../../lib/base/errors';
import { bundleCommand } from '../../../scripts/bundle';
import { type DatabaseBench, measureDatabase, type Part, parts, quick, type Switches, usual } from '../lib/bench/database';
import { measureFence } from '../lib/bench/fence';
import { countSwitchCalls } from '../lib/bench/switch-calls';
import { measureTrafficOnly } from '../lib/bench/traffic-only';
import { measureWindow } from '../lib/bench/window';
import { windowLines } from '../lib/bench/window-lines';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('it must be a whole number above 0.');
  return value;
};

const program = new Command('bench');
program
  .command('traffic-only')
  .description('rollback --traffic-only against a shell script doing the same over the AWS CLI, on a sandbox of its own')
  .option('--runs <n>', 'of each, after one that is not counted', whole, 11)
  .option('--applications <n>', 'behind the load balancer', whole, 8)
  .option('--aws <path>', 'the AWS CLI (default: /usr/bin/aws of the Debian package awscli, else the one on the PATH)')
  .option('--json', 'one object on standard output')
  .action(async (flags: { runs: number; applications: number; aws?: string; json?: boolean }) => {
    const say = (text: string) => void process.stderr.write(`${text}\n`);
    const folder = mkdtempSync(join(tmpdir(), 'switchback-bundle-'));
    try {
      const command = join(folder, 'switchback.js');
      bundleCommand(command);
      const { runs, applications, aws } = flags;
      const result = await measureTrafficOnly({ command, aws, runs, applications, onRun: say });
      const { switchback, script, share, goal } = result;
      say('');
      say(`switchback  ${switchback.medianMs} ms (median of ${runs}; p90 ${switchback.p90Ms} ms): ${switchback.calls.join(', ')}`);
      if (script)
        say(`script      ${script.medianMs} ms (p90 ${script.p90Ms} ms): ${script.calls.join(', ')}; ${script.version}, ${script.cli}`);
      else say('script      not measured: there is no AWS CLI here (apt-get install awscli)');
      say(
        `goal: at most 4 calls: ${goal.calls ? 'met' : 'missed'}; under half of the script's time: ${goal.time === undefined ? 'not measured' : `${goal.time ? 'met' : 'missed'} (${Math.round((share ?? 0) * 100)} %)`}`,
      );
      if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'bench.traffic-only', ...result })}\n`);
      process.exitCode = goal.calls && goal.time !== false ? exit.done : exit.failed;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

program
  .command('database')
  .description('database part of the write gap, feed lag and catch-up, comparison, fork ahead: on two PostgreSQL servers of its own')
  .option('--quick', 'fewer runs, smaller databases: under a minute')
  .option('--runs <n>', 'windows, each with a cutover and a rollback', whole)
  .option('--rate <n>', 'transactions per second during the switches', whole)
  .option('--writers <n>', 'at once', whole)
  .addOption(new Option('--only <parts...>', 'only these parts').choices([...parts]))
  .option('--json', 'one object on standard output')
  .action(async (flags: { quick?: boolean; runs?: number; rate?: number; writers?: number; only?: Part[]; json?: boolean }) => {
    const say = (text: string) => void process.stderr.write(`${text}\n`);
    const { runs, rate, writers, only } = flags;
    const given = { ...(runs ? { runs } : {}), ...(rate ? { rate } : {}), ...(writers ? { writers } : {}), ...(only ? { only } : {}) };
    const result = await measureDatabase({ ...(flags.quick ? quick : usual), ...given, onProgress: say });
    for (const line of databaseLines(result)) say(line);
    if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'bench.database', ...result })}\n`);
    const lossless = result.lostWrites === 0 && result.duplicatedWrites === 0 && result.gap?.proven !== false;
    process.exitCode =
      lossless && result.gap?.cutover.goalMet !== false && result.gap?.rollback.goalMet !== false ? exit.done : exit.failed;
  });

program
  .command('fence')
  .description(
    'fence and proof while nobody may write, with 100, 1,000 and 10,000 tables: rights looked at before, and all in the gap, in turn',
  )
  .option('--runs <n>', 'of each way', whole, 20)
  .option('--tables <n...>', 'how many', (text: string, before: number[] | undefined) => [...(before ?? []), whole(text)])
  .option('--json', 'one object on standard output')
  .action(async ({ runs, tables = [100, 1_000, 10_000], json }: { runs: number; tables?: number[]; json?: boolean }) => {
    const say = (text: string) => void process.stderr.write(`${text}\n`);
    const result = await measureFence({ runs, tables, idle: 16, onProgress: say });
    say('');
    say(
      `PostgreSQL ${result.postgres}, median of ${runs}, load average ${result.loadAverage.before} before, ${result.loadAverage.after} after`,
    );
    for (const { tables: count, newer, whole: all, before, goalMs, goalMet } of result.sizes) {
      const goal = goalMs === undefined ? '' : `; goal ${goalMs} ms: ${goalMet ? 'met' : 'missed'}`;
      say(
        `${String(count).padStart(6)} tables: ${newer.medianMs} ms (${newer.minMs} to ${newer.maxMs}), before it ${before.medianMs} ms; all in the gap ${all.medianMs} ms (${all.minMs} to ${all.maxMs})${goal}`,
      );
    }
    if (json) process.stdout.write(`${JSON.stringify({ event: 'bench.fence', ...result })}\n`);
    process.exitCode = result.sizes.every(({ goalMet }) => goalMet !== false) ? exit.done : exit.failed;
  });

program
  .command('window')
  .description('the whole time without a write at a cutover and a rollback by the real commands, with its parts: on a sandbox of its own')
  .option('--runs <n>', 'windows, each with a cutover and a rollback', whole, 3)
  .option('--rate <n>', "customers' requests per second", whole, 100)
  .option('--speed <n>', 'AWS seconds per second', whole, 60)
  .option('--open <seconds>', 'that customers use the new release before everything is taken back', whole, 10)
  .option('--verbose', 'every line of every process')
  .option('--json', 'one object on standard output')
  .action(async (flags: { runs: number; rate: number; speed: number; open: number; verbose?: boolean; json?: boolean }) => {
    const say = (text: string) => void process.stderr.write(`${text}\n`);
    const interrupted = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
    const root = join(__dirname, '../../..');
    const { runs, rate, speed, open } = flags;
    const result = await measureWindow({
      ...{ root, temp: tmpdir(), runs, rate, speed, openSeconds: open },
      baseline: join(root, '.switchback', `bench-${speed}`),
      onProgress: say,
      onLine: (source, line) => flags.verbose && say(`${source}: ${line}`),
      signal: interrupted.signal,
    });
    for (const line of windowLines(result)) say(line);
    if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'bench.window', ...result })}\n`);
    process.exitCode = result.lostWrites === 0 && result.duplicatedWrites === 0 ? exit.done : exit.failed;
  });

program
  .command('switch')
  .description(
    'how many AWS calls the steps that move traffic take, with 4 and with 33 applications (99 rules, of the 100 that AWS allows)',
  )
  .option('--json', 'one object on standard output')
  .action(async (flags: { json?: boolean }) => {
    const folder = mkdtempSync(join(tmpdir(), 'switchback-bench-'));
    try {
      const counted = await countSwitchCalls((applications) => join(folder, String(applications)), [4, 33]);
      for (const { applications, steps } of counted)
        process.stderr.write(
          `${String(applications).padStart(3)} applications: ${steps.map(({ step, calls }) => `${step} ${calls.length}`).join(', ')}; each ${steps[0]?.calls.join(', ')}\n`,
        );
      if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'bench.switch', counted })}\n`);
      const [few, many] = counted.map(({ steps }) => steps.map(({ calls }) => calls.length).join());
      process.exitCode = few === many ? exit.done : exit.failed;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

function databaseLines({ gap, lag, catchUp, compare, stage, ...of }: DatabaseBench): string[] {
  const load = of.loadAverage;
  const lines = ['', `PostgreSQL ${of.postgres}, ${of.cpus} cores, load average ${load.before[0]} before, ${load.after[0]} after`];
  for (const verb of ['cutover', 'rollback'] as const) {
    const one = gap?.[verb];
    if (!gap || !one) continue;
    const each = ({ partsMs }: Switches): string =>
      Object.entries(partsMs)
        .map(([part, ms]) => `${part} ${ms}`)
        .join(', ');
    lines.push(
      `${verb.padEnd(9)} ${one.medianMs} ms median, ${one.maxMs} ms at most, ${gap.runs} runs, ${of.writers} writers, ${one.ratePerSecond} tx/s; goal ${gap.goalMs} ms: ${one.goalMet ? 'met' : 'missed'}`,
      `          with everything between: ${one.wholeMedianMs} ms (${each(one)})`,
      `          in turn: all looks in the gap ${one.wholeLook.medianMs} ms (at most ${one.wholeLook.maxMs}); the limit ${one.limit.medianMs} ms (at most ${one.limit.maxMs}: ${each(one.limit)}), of which this is ${one.share}`,
    );
  }
  for (const one of lag ?? [])
    lines.push(
      `feed lag  p95 ${one.p95Ms} ms, median ${one.medianMs} ms, at most ${one.maxMs} ms, at ${one.ratePerSecond} of ${one.rateWanted} tx/s`,
    );
  if (catchUp)
    lines.push(`catch-up  ${catchUp.seconds} s after ${catchUp.stoppedSeconds} s without the feed, at ${catchUp.ratePerSecond} tx/s`);
  if (compare) lines.push(`compare   ${compare.rowsPerSecond} rows/s (${compare.rows} rows, both databases on this machine)`);
  for (const one of stage ?? [])
    lines.push(`fork      ${one.megabytes} MB: replica ${one.replicaSeconds} s, fork ahead ${one.forkSeconds} s`);
  lines.push(`lost writes ${of.lostWrites}, duplicated ${of.duplicatedWrites}`);
  return lines;
}

void program.parseAsync();
