import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fence, openTo, proveFenced } from '../../../lib/postgres/access/fence';
import { isChange, LockedDb } from '../../../lib/postgres/access/run-lock';
import type { Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { ensureMarker, writeMarker } from '../../../lib/postgres/replication/marker';
import { createPublication, publishable, readPublication } from '../../../lib/postgres/replication/publication';
import { ensureSlot, readSlot } from '../../../lib/postgres/replication/subscription';
import { blue, database, failure, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

let server: Server;
let plain: Db;
let last = 0;

beforeAll(async () => {
  server = await startServer();
  plain = await server.master();
  await prepareUsers(plain);
  await plain.query('CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); INSERT INTO t VALUES (1, 0)');
});
afterAll(stopServers);

/** A connection of a run; without a number it is a later one than any before. */
async function runOf(
  who: string,
  options: { number?: number; journal?: string; patienceMs?: number; on?: Server } = {},
): Promise<LockedDb> {
  const number = options.number ?? ++last;
  const held = new LockedDb(
    await (options.on ?? server).master(),
    { number, journal: options.journal ?? 'bucket/video', run: `the cutover of ${who} (w1)` },
    (message) => new Error(`taken over: ${message}`),
    options.patienceMs,
  );
  await held.take();
  return held;
}

const n = async (db: Db = plain): Promise<number> => (await db.query<{ n: number }>('SELECT n FROM t WHERE id = 1'))[0]!.n;
const increase = 'UPDATE t SET n = n + 1 WHERE id = 1';

/** Waits until the sessions that wait for a lock are as many. */
async function waiting(count: number): Promise<void> {
  const poll = pollEvery(5, 10_000, 'a session that waits for a lock');
  const look = () => plain.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1", [database]);
  while ((await look()).length !== count) await poll();
}

test('once another run has taken the database, no change of the one before is made, and it hears who has it', async () => {
  const ada = await runOf('ada');
  await ada.query(increase);
  const grace = await runOf('grace');
  const before = await n();
  for (const change of [
    () => ada.query(increase),
    () => ada.query('UPDATE t SET n = n + $1 WHERE id = 1', [1]),
    () => ada.transaction((inside) => inside.query(increase)),
    () => ada.transaction((inside) => inside.transaction((inner) => inner.query(increase))),
    () => ada.query('VACUUM t'),
    () => ada.query("SELECT pg_catalog.pg_logical_emit_message(false, 'switchback', 'late')"),
    () => ada.query(`${increase}; ${increase}`),
  ])
    expect((await failure(change())).message).toMatch(/^taken over: the cutover of grace \(w1\) has it since \d{4}-\d\d-\d\dT[\d:]+Z$/);
  expect(await n()).toBe(before);
  // looking harms nobody, and her own changes go through.
  expect(await n(ada)).toBe(before);
  await grace.query(increase);
  await grace.query('VACUUM t');
  expect(await n()).toBe(before + 1);
});

test('of several statements sent at once those that change something are refused after a take-over, too', async () => {
  const ada = await runOf('ada');
  const [, changed, read] = await ada.queries<[unknown, { n: number }, { n: number }]>([
    'SELECT 1',
    'UPDATE t SET n = n + 1 RETURNING n',
    'SELECT n FROM t',
  ]);
  expect(read).toEqual(changed);
  const bob = await runOf('bob');
  const before = await n();
  await expect(ada.queries(['SELECT n FROM t', 'UPDATE t SET n = n + 1', 'SELECT n FROM t'])).rejects.toThrow(
    /taken over: the cutover of bob/,
  );
  expect(await n()).toBe(before);
  expect(await ada.queries(['SELECT n FROM t'])).toEqual([[{ n: before }]]);
  await bob.close();
  await ada.close();
});

test('a run that was taken over cannot take the database again', async () => {
  const number = ++last;
  await runOf('ada', { number });
  await runOf('grace');
  expect((await failure(runOf('ada', { number }))).message).toContain('taken over: the cutover of grace (w1) has it since');
});

test('other connections of the same run hold it, too', async () => {
  const number = ++last;
  const [one, two] = [await runOf('ada', { number }), await runOf('ada', { number })];
  const before = await n();
  await one.transaction(async (inside) => {
    await inside.query(increase);
    await two.query('CREATE TABLE beside (n int)');
  });
  expect(await n()).toBe(before + 1);
  await two.query('DROP TABLE beside');
});

test('a take-over waits for a change that is under way, and for an open transaction', async () => {
  for (const change of [
    (db: Db) => db.query('UPDATE t SET n = n + 1 WHERE id = 1 AND (SELECT true FROM pg_sleep(0.3))'),
    (db: Db) =>
      db.transaction(async (inside) => {
        await inside.query(increase);
        await inside.query('SELECT pg_sleep(0.3)');
      }),
  ]) {
    const ada = await runOf('ada');
    const before = await n();
    let finished = false;
    const changing = change(ada).then(() => {
      finished = true;
    });
    const poll = pollEvery(5, 10_000, 'the sleep');
    while ((await plain.query("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")).length === 0) await poll();
    const grace = await runOf('grace');
    expect(await n(grace)).toBe(before + 1);
    await changing;
    expect(finished).toBe(true);
  }
});

test('a transaction that does not end is ended: what it did is undone before the take-over is granted', async () => {
  const ada = await runOf('ada');
  const before = await n();
  let begun: () => void = () => undefined;
  const wrote = new Promise<void>((resolve) => {
    begun = resolve;
  });
  let goOn: () => void = () => undefined;
  const asleep = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const late = failure(
    ada.transaction(async (inside) => {
      await inside.query(increase);
      begun();
      // the laptop is shut with the transaction open.
      await asleep;
      await inside.query(increase);
    }),
  );
  await wrote;
  await runOf('grace', { patienceMs: 50 });
  expect(await n()).toBe(before);
  goOn();
  expect((await late).name).toBe('ConnectionLost');
  expect(await n()).toBe(before);
});

test('a run that hammers is cut off at one moment: nothing of it arrives after the take-over was granted', async () => {
  for (let round = 0; round < 10; round += 1) {
    const ada = await runOf('ada');
    let mine = await n();
    const hammering = (async () => {
      try {
        for (;;) {
          await (mine % 2 === 0 ? ada.query(increase) : ada.transaction((inside) => inside.query(increase)));
          mine += 1;
        }
      } catch (error) {
        return (error as Error).message;
      }
    })();
    const target = mine + 3 + round;
    const poll = pollEvery(1, 10_000, 'some changes');
    while ((await n()) < target) await poll();
    const grace = await runOf('grace');
    const granted = await n(grace);
    expect(await hammering).toContain('taken over');
    // as many as were confirmed, and no more than were there when the take-over was granted.
    expect([await n(), mine]).toEqual([granted, granted]);
  }
});

test('a replica has nothing to take; promoted, it is taken before its first change, from whoever had its original', async () => {
  const grace = await runOf('grace');
  const replica = await server.standby();
  const [late, early] = [await runOf('ada', { number: 0, on: replica }), await runOf('grace', { number: last, on: replica })];
  expect(await n(late)).toBe(await n());
  expect((await failure(early.query(increase))).sqlstate).toBe('25006');
  await replica.test.promote();
  expect((await failure(late.query(increase))).message).toContain('taken over: the cutover of grace');
  await early.query(increase);
  await grace.query('SELECT 1');
  expect(await n(early)).toBe((await n()) + 1);
});

test("a database copied from another environment is not held by that one's runs", async () => {
  await runOf('ada', { number: 1_000_000_000, journal: 'production-bucket/video' });
  const grace = await runOf('grace');
  const before = await n();
  await grace.query(increase);
  expect(await n()).toBe(before + 1);
});

test('a slot is made and a marker written while held; the table of the holder is in no publication', async () => {
  const ada = await runOf('ada');
  await ensureMarker(ada);
  await createPublication(ada, 'switchback_w1', await publishable(ada));
  expect((await readPublication(ada, 'switchback_w1')).map(({ schema, table }) => `${schema}.${table}`)).toEqual([
    'public.t',
    'switchback.marker',
  ]);
  await ensureSlot(ada, 'switchback_w1', pollEvery(10, 10_000, 'the slot'));
  expect(await readSlot(ada, 'switchback_w1')).toMatchObject({ active: false });
  await writeMarker(ada, 'marker', 'x');
  await ada.query('SELECT pg_catalog.pg_drop_replication_slot($1)', ['switchback_w1']);
  expect(await readSlot(ada, 'switchback_w1')).toBeUndefined();
});

test('the fence is proven while another connection of the run is in the middle of a change, and one waits to take over', async () => {
  const number = ++last;
  const [one, two] = [await runOf('ada', { number }), await runOf('ada', { number })];
  await fence(one, roles);
  let taking: Promise<unknown> = Promise.resolve();
  await two.transaction(async (inside) => {
    await inside.query('INSERT INTO switchback.marker VALUES ($1, $2, now()) ON CONFLICT DO NOTHING', ['busy', 'x']);
    taking = runOf('grace');
    await waiting(1);
    // of the run that is being taken over: a proof only looks, and so waits for nobody.
    expect((await proveFenced(one, roles)).reasons).toEqual([]);
  });
  await taking;
  expect((await failure(openTo(one, roles, blue.username))).message).toContain('taken over');
});

test('a reader that holds the advisory lock keeps neither a change nor a take-over waiting', async () => {
  const number = ++last;
  const ada = await runOf('ada', { number });
  const before = await n();
  const stranger = await server.as(blue);
  await stranger.query('SELECT pg_advisory_lock(1398227523, 1)');
  const began = performance.now();
  await ada.query(increase);
  await fence(ada, roles);
  // what cannot be in a transaction needs it, and so ends who has it without being us.
  await ada.query('VACUUM t');
  expect((await failure(stranger.query('SELECT 1'))).name).toBe('ConnectionLost');
  await (await server.as(blue)).query('SELECT pg_advisory_lock(1398227523, 1)');
  await runOf('grace');
  expect(performance.now() - began).toBeLessThan(4000);
  expect(await n()).toBe(before + 1);
});

test('every function that our SQL calls is known as one that reads or as one that changes something', async () => {
  const folder = join(__dirname, '../../../lib/postgres');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'));
  const called = [...new Set(sources.flatMap((text) => [...text.matchAll(/\b([a-z_][a-z0-9_]+)\(/g)].map(([, name]) => name!)))];
  const volatile = await plain.query<{ name: string }>(
    "SELECT DISTINCT proname::text AS name FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v' AND proname = ANY ($1) ORDER BY 1",
    [called],
  );
  // they read, wait, or concern the session alone.
  const reading = [
    'clock_timestamp',
    'gen_random_uuid',
    ...[
      'pg_advisory_lock_shared',
      'pg_advisory_unlock_shared',
      'pg_advisory_xact_lock',
      'pg_xact_status',
      'pg_blocking_pids',
      'pg_logical_slot_peek_binary_changes',
      'set_config',
      'pg_export_snapshot',
      'pg_stat_clear_snapshot',
      'pg_stat_force_next_flush',
    ],
    ...['pg_current_wal_flush_lsn', 'pg_current_wal_insert_lsn', 'pg_current_wal_lsn', 'pg_last_wal_replay_lsn', 'pg_is_in_recovery'],
    ...[
      'pg_database_collation_actual_version',
      'pg_database_size',
      'pg_partition_tree',
      'pg_sequence_last_value',
      'pg_show_replication_origin_status',
    ],
    ...['pg_table_size', 'pg_total_relation_size'],
  ];
  const unknown = volatile.map(({ name }) => name).filter((name) => !isChange(`SELECT pg_catalog.${name}($1)`) && !reading.includes(name));
  expect(unknown).toEqual([]);
  expect(isChange("SELECT pg_catalog.setval('s', 1)")).toBe(true);
  expect(isChange("SELECT 'DELETE' AS privilege")).toBe(false);
  expect(isChange('WITH gone AS (DELETE FROM t RETURNING id) SELECT count(*) FROM gone')).toBe(true);
});
