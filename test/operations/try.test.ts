/** What a try answers, read by a machine. */
import { type Tried, tryAll } from '../../lib/operations/try';
import { statementsOf } from '../../lib/postgres/connection/script';
import { startPair } from '../../packages/sandbox/lib/postgres/pair';

test('what is refused is told finding by finding', async () => {
  const servers = await startPair({ major: Number(process.env['SWITCHBACK_POSTGRES_MAJOR'] ?? 17), feeds: 1 });
  const tried: Tried[] = [];
  try {
    await tryAll(
      [
        {
          id: 'two',
          before: statementsOf("CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'a', 'b')"),
          migrate: statementsOf('ALTER TABLE t DROP COLUMN a, DROP COLUMN b'),
        },
      ],
      { servers, elapsed: () => performance.now(), onTried: (one) => void tried.push(one) },
    );
  } finally {
    await servers.end();
  }
  expect(tried).toEqual([
    expect.objectContaining({
      ...{ outcome: 'refused', at: 'trial' },
      differences: [
        expect.stringMatching(/^public\.t\.a is dropped.*:dropped\)$/),
        expect.stringMatching(/^public\.t\.b is dropped.*:dropped\)$/),
      ],
    }),
  ]);
}, 120_000);

test('notes of a tool that nobody knows are refused until they are named; named, the fallback keeps its own', async () => {
  const servers = await startPair({ major: Number(process.env['SWITCHBACK_POSTGRES_MAJOR'] ?? 17), feeds: 2 });
  const tried: Tried[] = [];
  const notes = {
    before: statementsOf(
      "CREATE TABLE migrations (id serial PRIMARY KEY, name text); INSERT INTO migrations (name) VALUES ('one'); CREATE TABLE t (id int PRIMARY KEY)",
    ),
    migrate: statementsOf("ALTER TABLE t ADD COLUMN a int; INSERT INTO migrations (name) VALUES ('two')"),
    ask: ['SELECT name FROM migrations ORDER BY id'],
  };
  try {
    await tryAll(
      [
        { id: 'unnamed', ...notes },
        { id: 'named', ...notes, bookkeeping: ['public.migrations'] },
      ],
      { servers, elapsed: () => performance.now(), onTried: (one) => void tried.push(one) },
    );
  } finally {
    await servers.end();
  }
  expect(tried.map(({ id, outcome, at }) => `${id}: ${outcome} at ${at}`).sort()).toEqual([
    'named: lossless at rollback',
    'unnamed: refused at trial',
  ]);
  expect(tried.find(({ id }) => id === 'unnamed')!.differences).toEqual([expect.stringContaining("bookkeeping: ['public.migrations']")]);
  expect(tried.find(({ id }) => id === 'named')!.asked).toEqual([['one']]);
}, 120_000);
