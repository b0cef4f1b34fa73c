/** The window bench for a terminal of 80 columns. */
import { cut } from '../../../../lib/report/style';
import type { GapPart } from './gap';
import type { Switch, WindowBench } from './window';

export function windowLines(bench: WindowBench): string[] {
  const { cpus, loadAverage, node, speed, requestsPerSecond, writesPerSecond, openPath } = bench;
  return [
    '',
    `${cpus} cores, load ${loadAverage.before} before, ${loadAverage.after} after, Node ${node}, sandbox at speed ${speed}`,
    `customers: ${requestsPerSecond} requests/s, of them ${writesPerSecond} writes/s acknowledged before a switch`,
    ...switchLines('cutover', bench.cutover),
    ...switchLines('rollback', bench.rollback),
    '',
    `lost writes ${bench.lostWrites}, duplicated ${bench.duplicatedWrites}, of ${bench.acknowledgedWrites} acknowledged`,
    `open paths: ${openPath.failures} of ${openPath.requests} requests failed or took over 2 s`,
  ];
}

function switchLines(verb: string, { median, samplesMs, commandSeconds, calls }: Switch): string[] {
  const total = (of: (part: GapPart) => number) => median.parts.reduce((sum, part) => sum + of(part), 0);
  return [
    '',
    `${verb}: ${median.ms} ms without a write (median of ${samplesMs.join(', ')}); the command ${commandSeconds} s, ${calls} AWS calls`,
    row('', 'ms', 'waiting', 'AWS', 'calls', 'journal'),
    ...median.parts.map(({ title, ms, waitedMs, awsMs, calls: each, journalCalls }) =>
      row(title, ms, waitedMs || '', awsMs, each, journalCalls),
    ),
    row(
      'together',
      median.ms,
      total((part) => part.waitedMs),
      total((part) => part.awsMs),
      total((part) => part.calls),
      total((part) => part.journalCalls),
    ),
  ];
}

type Cell = string | number;

function row(title: Cell, ms: Cell, waiting: Cell, aws: Cell, calls: Cell, journal: Cell): string {
  const text = String(title);
  const right = (cell: Cell, width: number) => String(cell).padStart(width);
  return `  ${cut(text, 41).padEnd(41)}${right(ms, 7)}${right(waiting, 9)}${right(aws, 6)}${right(calls, 7)}${right(journal, 8)}`;
}
