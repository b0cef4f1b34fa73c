/** What a fuzz says: a line for what is wrong, and the table of kinds. */
import type { Judged, Tally } from './fuzz';
import type { Found } from './mutate';

export const repeatCommand = (seed: number, kind?: string): string =>
  `npm run fuzz -- --windows 1 --seed ${seed}${kind === undefined ? '' : ` --kind '${kind}'`}`;

export function wrongLines({ seed, fault, differences, played }: Judged, kind?: string): string[] {
  return [
    `seed ${seed}: WRONG, ${fault} (${played.kinds.join(', ')})`,
    ...differences.slice(0, 6).map((text) => `  ${text.split('\n')[0]!.slice(0, 300)}`),
    `  again: ${repeatCommand(seed, kind)}`,
  ];
}

const percent = (part: number, all: number): string => (all === 0 ? '' : `${Math.round((100 * part) / all)} %`);

export function tableLines(tally: ReadonlyMap<string, Tally>): string[] {
  const width = Math.max(...[...tally.keys()].map(({ length }) => length), 4);
  const line = (name: string, ...cells: string[]): string => `${name.padEnd(width)}${cells.map((cell) => cell.padStart(11)).join('')}`;
  return [
    line('kind', 'generated', 'right', '', 'refused', '', 'wrong'),
    ...[...tally].map(([kind, { generated, right, refused, wrong }]) =>
      line(kind, `${generated}`, `${right}`, percent(right, generated), `${refused}`, percent(refused, generated), `${wrong}`),
    ),
  ];
}

/** Of a fix that was switched off. */
export function foundWords({ after, seed, was, became, only, windows }: Found): string {
  if (only !== undefined) return `nothing to find: ${only}`;
  return after === undefined ? `NOT FOUND in ${windows} windows` : `found after ${after} windows: seed ${seed}, ${was} became ${became}`;
}

/** Why windows were refused, the most frequent first: names of the window are left out, so that the same reason is one line. */
export function refusalLines(judged: readonly Judged[], most = 25): string[] {
  const count = new Map<string, { n: number; seed: number }>();
  for (const { seed, verdict, differences } of judged)
    if (verdict === 'refused')
      for (const reason of new Set(differences.map(reasonOf))) {
        const known = count.get(reason);
        count.set(reason, { n: (known?.n ?? 0) + 1, seed: known?.seed ?? seed });
      }
  return [...count]
    .sort(([, a], [, b]) => b.n - a.n)
    .slice(0, most)
    .map(([reason, { n, seed }]) => `${`${n}`.padStart(5)}  ${reason} (seed ${seed})`);
}

const reasonOf = (text: string): string =>
  text
    .split('\n')[0]!
    .replace(/public\.("[^"]*"|\w+)(\.("[^"]*"|[\w.]+))?/g, '…')
    .replace(/\d+/g, 'n')
    .replace(/'[^']*'/g, "'…'")
    .slice(0, 160);
