/** The words of a soak. */
import type { SoakResult } from './soak';
import type { WindowResult } from './window';

/** One line per run. */
export function runLine({ seed, passed, seconds, way, what, problems }: WindowResult): string {
  const done = `${way}${what.length > 0 ? `: ${what.join('; ')}` : ''}`;
  const head = `seed ${String(seed).padEnd(6)} ${`${seconds.toFixed(0)} s`.padStart(6)}  ${passed ? 'passed' : 'FAILED'}`;
  return [`${head}  ${done}`, ...problems.map((problem) => `    ✖ ${problem}`)].join('\n');
}

export const repeatCommand = (seed: number): string => `npm run soak -- --runs 1 --seed ${seed}`;

export function endLines({ results, folder }: SoakResult): string[] {
  const failed = results.filter(({ passed }) => !passed);
  return [
    `${results.length - failed.length} passed, ${failed.length} failed`,
    ...failed.map(({ seed }) => `  ${repeatCommand(seed)}`),
    ...(folder ? [`logs: ${folder}/<seed>/night.log`] : []),
  ];
}
