/** Rows that come between the trial and the fence: the trial cannot have seen them. */
import { type Tried, tryAll } from '../../lib/operations/try';
import { readCases, tryingOf } from '../../lib/operations/try/case';
import { startPair } from '../../packages/sandbox/lib/postgres/pair';

test('a row of a retyped column that reads otherwise ends the window before the opening, and is not written over', async () => {
  const [one] = readCases(
    JSON.stringify({
      id: 'late',
      name: 'late',
      old: ['CREATE TABLE item (id int PRIMARY KEY, qty text)', "INSERT INTO item VALUES (1, '42')"],
      meanwhile: ["INSERT INTO item VALUES (2, '007')"],
      change: ['ALTER TABLE item ALTER qty TYPE int USING qty::int'],
    }),
  );
  const servers = await startPair({ feeds: 1 });
  const all: Tried[] = [];
  let left: unknown;
  try {
    await tryAll([tryingOf(one!)], { servers, elapsed: () => performance.now(), onTried: (tried) => all.push(tried) });
    left = await servers.asSuperuser('replica', 'try_1', (session) => session.query('SELECT qty FROM item ORDER BY id'));
  } finally {
    await servers.end();
  }
  expect(all.map(({ outcome, at }) => [outcome, at])).toEqual([['failed', 'window']]);
  expect(all[0]!.differences.join()).toMatch(
    /form\.not-lossless: public\.item\.qty becomes integer \(was text\), and 1 or more of its rows read otherwise \(\(2\)\)/,
  );
  expect(left).toEqual([['42'], ['007']]);
});
