/** The measured table of a rehearsal, for a terminal of 80 columns. */
import type { RehearsalResult } from './rehearse';

export function rehearsalTable(result: RehearsalResult): string {
  const row = (name: string, value: string) => `  ${name.padEnd(46)}${value.padStart(12)}`;
  const s = (seconds: number) => `${seconds.toFixed(1)} s`;
  const lines = [
    '',
    `Rehearsal ${result.ok ? 'passed' : 'FAILED'} in ${s(result.seconds)}`,
    '',
    row('acknowledged writes', String(result.acknowledgedWrites)),
    row('lost', String(result.lostWrites)),
    row('duplicated', String(result.duplicatedWrites)),
    row('requests on paths that stay open', String(result.openPathRequests)),
    row('of those failed', String(result.openPathFailures)),
    row('maintenance in w3, as customers saw it', s(result.maintenanceSeconds)),
    row('cutover of w2, the command', s(result.cutoverSeconds)),
    row('rollback of w2, the command', s(result.rollbackSeconds)),
    ...result.writeGapMs.map(({ window, verb, ms }) => row(`without a write at the ${verb} of ${window}`, s(ms / 1000))),
    row('entries of the loss manifest', String(result.lossManifest.length)),
    '',
    ...result.deploys.map(({ what, seconds }) => row(what, s(seconds))),
    '',
  ];
  let heading = '';
  for (const step of result.steps) {
    const here = `${step.window} ${step.verb}`;
    if (here !== heading) lines.push(`  ${here}`);
    heading = here;
    lines.push(`    ${step.title.slice(0, 60).padEnd(62)}${s(step.seconds).padStart(9)}`);
  }
  lines.push('', ...result.problems.map((problem) => `  ✖ ${problem}`));
  return lines.join('\n');
}
