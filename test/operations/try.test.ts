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
