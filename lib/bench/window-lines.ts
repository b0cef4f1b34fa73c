/** The window bench for a terminal of 80 columns. */
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
    row('', 'ms', 'waiting', 'calls', 'journal'),
    ...median.parts.map((part) =>
      row(part.title, String(part.ms), part.waitedMs ? String(part.waitedMs) : '', String(part.calls), String(part.journalCalls)),
    ),
    row(
      'together',
      String(median.ms),
      String(total((part) => part.waitedMs)),
      String(total((part) => part.calls)),
      String(total((part) => part.journalCalls)),
    ),
  ];
}

function row(title: string, ms: string, waiting: string, calls: string, journal: string): string {
  const cut = title.length > 46 ? `${title.slice(0, 45)}…` : title;
  return `  ${cut.padEnd(46)}${ms.padStart(7)}${waiting.padStart(9)}${calls.padStart(7)}${journal.padStart(9)}`;
}
