/** What is made from the code is what the code makes; and every code of the registry is one that somebody may meet. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from '../../lib/base/error-codes';
import { fallbackChecks, productionChecks } from '../../lib/postgres/preflight/checks';
import { computedFindings } from '../../lib/postgres/preflight/computed';
import { pages } from '../../scripts/reference';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const sources = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'base/error-codes.ts')
  .map((file) => read(join('lib', file)));
const text = sources.join('\n');

test.each(Object.keys(pages))('%s is what `npm run reference` makes', (path) => {
  expect(read(path)).toBe(pages[path]!());
});

test('every registered code is used', () => {
  // the round trips' codes are their step's id, and that with .lost.
  const trips = read('lib/steps/round-trip.ts');
  const ofTrips = [...trips.matchAll(/ id: '([a-z-]+\.round-trip)'/g)].flatMap(([, id]) => [id!, `${id}.lost`]);
  expect(ofTrips).toHaveLength(4);
  expect(trips).toContain('code: id,');
  expect(trips).toContain('code: `${id}.lost`');
  const used = new Set([...ofTrips, ...[...text.matchAll(/(?:new Stop\(\s*|\bcode: )'([a-z.-]+)'/g)].map(([, code]) => code!)]);
  expect(Object.keys(errorCodes).filter((code) => !used.has(code))).toEqual([]);
});

test('what a code means and its way out are one sentence each', () => {
  const sentences = Object.entries(errorCodes).filter(([, { means }]) => !/^[A-Z][^.]*(?:\.[^ ][^.]*)*\.$/.test(means));
  expect(sentences.map(([code]) => code)).toEqual([]);
});

test('every finding of the preflight is on the page', () => {
  const roles = { owner: 'o', read: 'r', write: 'w', reader: 'p', migrator: 'm' };
  const asked = [...productionChecks(roles), ...fallbackChecks].map(({ code }) => code);
  const computed = ['lib/postgres/preflight/preflight.ts', 'lib/steps/preflight.ts'].flatMap((path) =>
    [...read(path).matchAll(/\bcode: '([a-z-]+)'/g)].map(([, code]) => code!),
  );
  expect([...new Set(computed)].sort()).toEqual(Object.keys(computedFindings).sort());
  for (const code of [...asked, ...computed]) expect(pages['docs/errors.md']!()).toMatch(new RegExp(`^### ${code}( |$)`, 'm'));
});
