/** What others do to the databases while a feed runs: time limits that they set, tools that replicate, slots that they move. */

import type { Context } from '../../../lib/engine/context';
import { openTo, proveFenced } from '../../../lib/postgres/access/fence';
import { preparedTransactions } from '../../../lib/postgres/access/prepared';
import { type Db, timeouts } from '../../../lib/postgres/connection/connect';
import { currentLsn, flushWal, pollEvery, waitForReplay } from '../../../lib/postgres/connection/lsn';
import { copyAhead, copyNeeded } from '../../../lib/postgres/replication/copy';
import { feedHealth, pauseFeed, resumeFeed } from '../../../lib/postgres/replication/feed';
import { type ForkOptions, forkAhead } from '../../../lib/postgres/replication/fork';
import { beat } from '../../../lib/postgres/replication/heartbeat';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { publishable } from '../../../lib/postgres/replication/publication';
import { feedName, readSubscription, startFeed } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { lookAtFeed } from '../../../lib/postgres/verification/feed-look';
import { feedCaughtUp, feedStarted } from '../../../lib/steps/feed';
import { fallbackAnswers } from '../../../lib/steps/replica';
import { blue, database, failure, feed, master, roles, type Server, stopServers, withStandby } from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let [production, fallback]: Db[] = [];

async function begin(before = async (_: Server): Promise<void> => undefined): Promise<void> {
  ({ a, b, production } = await withStandby(
    `CREATE TABLE orders (id int PRIMARY KEY, ref text); CREATE TABLE log (ref text); ALTER TABLE log REPLICA IDENTITY FULL;
     INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 50) i`,
    { before },
  ));
  await openTo(production, roles, blue.username);
}
afterEach(stopServers);

const options = (): ForkOptions => ({
  production: production!,
  fallback: () => b!.master(),
  name,
  source: { address: a!.address, login: feed },
  roles,
  login: master,
  promote: () => b!.test.promote(),
});
async function fork(): Promise<void> {
  await forkAhead(options());
  fallback = await b!.master();
}
async function becomes(db: Db, what: string, sql: string): Promise<void> {
  const poll = pollEvery(20, 30_000, what);
  while ((await db.query(sql)).length === 0) await poll();
}
async function isEqual(): Promise<void> {
  await markerRoundTrip(production!, fallback!);
  expect((await compareTables(production!, fallback!)).tables.filter(({ equal }) => !equal)).toEqual([]);
}

const limit = 400;
/** A lock that is waited for longer than any of the limits lets it be. */
const waitsLonger = `SELECT FROM pg_locks l JOIN pg_stat_activity s ON s.pid = l.pid WHERE NOT l.granted AND s.backend_type <> 'client backend' AND clock_timestamp() - l.waitstart > interval '${limit * 3} ms'`;
/** As a team sets them for its application. */
const limited = async (server: Server): Promise<void> => {
  const admin = await server.superuser();
  const known = new Set((await admin.query<{ name: string }>('SELECT name FROM pg_settings')).map((row) => row.name));
  const each = timeouts.filter((one) => known.has(one));
  for (const one of each) await admin.query(`ALTER DATABASE ${database} SET ${one} = ${limit}`);
  await admin.query(`ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  await admin.close();
};

test('time limits of a database bind neither our sessions, nor the copy of a table, nor what applies changes', async () => {
  await begin(limited);
  const ours = await a!.master();
  for (const one of timeouts) {
    const [row] = await ours.query<{ value: string | null }>(`SELECT current_setting('${one}', true) AS value`);
    expect([one, row!.value ?? '0']).toEqual([one, '0']);
  }
  // a copy that waits on production for longer than a customer's statement may take.
  const holder = await a!.superuser();
  await holder.query('BEGIN');
  await b!.test.promote();
  const copying = copyAhead(options());
  await becomes(
    production!,
    'the slot',
    `SELECT FROM pg_replication_slots WHERE slot_name = '${name}' AND confirmed_flush_lsn IS NOT NULL`,
  );
  await holder.query('LOCK orders');
  await becomes(ours, 'a copy that waits', waitsLonger);
  await holder.query('COMMIT');
  await copying;
  fallback = await b!.master();
  // a change that waits on the fallback for longer than a lock or a transaction may.
  const worker = () => fallback!.query(`SELECT pid FROM pg_stat_subscription WHERE subname = '${name}' AND relid IS NULL`);
  const before = await worker();
  const blocker = await b!.superuser();
  await blocker.query('BEGIN; SELECT FROM orders WHERE id = 1 FOR UPDATE');
  await production!.query("UPDATE orders SET ref = 'late' WHERE id = 1");
  await becomes(fallback, 'a change that waits', waitsLonger);
  await blocker.query('COMMIT');
  await isEqual();
  expect(await worker()).toEqual(before);
  expect((await feedHealth(production!, fallback, name)).applyErrors).toBe(0);
});

test('rows that another replication tool brings to production under its own origin travel on', async () => {
  await begin();
  const tool = await a!.superuser();
  const bring = async (from: number): Promise<void> => {
    await tool.query("SELECT pg_replication_origin_create('bucardo') WHERE NOT EXISTS (SELECT FROM pg_replication_origin)");
    await tool.query("SELECT pg_replication_origin_session_setup('bucardo')");
    await tool.query(
      `BEGIN; INSERT INTO orders SELECT i, 'brought' FROM generate_series(${from}, ${from + 9}) i; UPDATE orders SET ref = 'changed' WHERE id = 50; COMMIT`,
    );
    await tool.query('SELECT pg_replication_origin_session_reset()');
  };
  await fork();
  await bring(101);
  await isEqual();
  await production!.query('DELETE FROM orders WHERE id > 100');
  await isEqual();
  // what keeps changes from going round: nothing goes out of it.
  expect(await fallback!.query('SELECT FROM pg_publication')).toEqual([]);
});

/** Everything customers wrote, also in the table without a key, where a change that is applied twice shows. */
const write = async (from: number, to: number): Promise<void> => {
  await production!.query(
    `INSERT INTO orders SELECT i, 'w' FROM generate_series(${from}, ${to}) i; INSERT INTO log SELECT 'w' || i FROM generate_series(${from}, ${to}) i`,
  );
};

describe('a transaction that is prepared across the promotion', () => {
  test('of our own user: its copy ends, and what production commits arrives once', async () => {
    await begin();
    const promote = async (): Promise<void> => {
      for (const [gid, sql] of [
        ['keyed', 'UPDATE orders SET ref = 1 WHERE id = 1'],
        ['twice', "INSERT INTO log VALUES ('twice')"],
        ['undone', "INSERT INTO orders VALUES (900, 'undone')"],
      ])
        await production!.query(`BEGIN; ${sql}; PREPARE TRANSACTION '${gid}'`);
      await waitForReplay(await b!.master(), (await flushWal(production!)).lsn, pollEvery(20, 30_000, 'their replay'));
      await b!.test.promote();
    };
    await forkAhead({ ...options(), promote });
    fallback = await b!.master();
    expect(await preparedTransactions(fallback)).toEqual([]);
    await production!.query("COMMIT PREPARED 'keyed'");
    await production!.query("COMMIT PREPARED 'twice'");
    await production!.query("ROLLBACK PREPARED 'undone'");
    await isEqual();
  });

  test('of somebody else: the step says who ends it, a rollback is not begun over it, and the feed says what it may wait for', async () => {
    await begin();
    const app = await a!.as(blue);
    const promote = async (): Promise<void> => {
      await app.query("BEGIN; UPDATE orders SET ref = 'x' WHERE id = 1; PREPARE TRANSACTION 'xa-1'");
      await waitForReplay(await b!.master(), (await flushWal(production!)).lsn, pollEvery(20, 30_000, 'its replay'));
      await b!.test.promote();
    };
    const error = await failure(forkAhead({ ...options(), promote }));
    expect(error.message).toContain("on the fallback: as 'video_blue', ROLLBACK PREPARED 'xa-1'");
    fallback = await b!.master();
    expect(await feedStarted('a', 'b').observe(stepContext())).toMatchObject({ is: 'failed', code: 'fork.prepared' });
    expect(await fallbackAnswers('b').observe(stepContext())).toMatchObject({
      ...{ is: 'failed', code: 'fallback.prepared' },
      message: expect.stringContaining("the prepared transaction 'xa-1' of 'video_blue' can still be committed"),
    });
    expect((await proveFenced(fallback, roles)).reasons).toEqual([expect.stringContaining("'xa-1'")]);
    await (await b!.as(blue)).query("ROLLBACK PREPARED 'xa-1'");
    await forkAhead(options());
    await app.query("COMMIT PREPARED 'xa-1'");
    await isEqual();
    expect(await fallbackAnswers('b').observe(stepContext())).toMatchObject({ is: 'done' });
    // one of another database of the same server is nobody's business here.
    await b!.test.query('CREATE DATABASE another');
    await b!.test.query("BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'elsewhere'", undefined, 'another');
    expect(await fallbackAnswers('b').observe(stepContext())).toMatchObject({ is: 'done' });
    // and one that is made in the hold keeps the feed waiting, which says so.
    await b!.test.query("BEGIN; UPDATE orders SET ref = 'y' WHERE id = 2; PREPARE TRANSACTION 'held'", undefined, database);
    await production!.query("UPDATE orders SET ref = 'z' WHERE id = 2");
    const look = await lookAtFeed(production!, fallback, name, { waitMs: 100 });
    expect(look.state).toBe('behind');
    expect(look.reasons.join()).toContain("the prepared transaction 'held' of 'postgres' may keep the feed waiting");
    await b!.test.query("ROLLBACK PREPARED 'held'", undefined, database);
    await isEqual();
  });
});

/** The two servers as a step is given them. */
const stepContext = (more: object = {}): Context =>
  ({
    window: { name: 'w1', system: 'video', production: 'a', fallback: 'b' },
    view: { begun: () => false, facts: () => undefined, answers: new Map() },
    database: async (instance: string) => (instance === 'a' ? production : fallback),
    clock: { now: () => Date.now(), elapsed: () => performance.now() },
    waitedMs: () => 0,
    ...more,
  }) as unknown as Context;

describe('a slot that somebody else moves', () => {
  test('before the feed begins: nothing is begun, and the fallback is copied instead', async () => {
    await begin();
    const promote = async (): Promise<void> => {
      await b!.test.promote();
      await write(100, 199);
      await production!.query(`SELECT pg_replication_slot_advance('${name}', pg_current_wal_lsn())`);
    };
    const error = await failure(forkAhead({ ...options(), promote }));
    expect(error.message).toMatch(/^the slot switchback_w1 is at \S+, past \S+ where the feed was to begin: somebody has moved it/);
    fallback = await b!.master();
    expect(await copyNeeded(options(), fallback)).toBe(error.message);
    await copyAhead(options());
    await write(200, 220);
    await isEqual();
  });

  test('while the feed is down: feed and marker live on, and everything that looks says that rows were left out', async () => {
    await begin();
    await fork();
    expect((await lookAtFeed(production!, fallback!, name)).reasons).toEqual([]);
    await fallback!.query(`ALTER SUBSCRIPTION ${name} DISABLE`);
    await becomes(production!, 'a free slot', `SELECT FROM pg_replication_slots WHERE slot_name = '${name}' AND NOT active`);
    await write(100, 1099);
    expect((await lookAtFeed(production!, fallback!, name)).state).toBe('paused');
    await production!.query(`SELECT pg_replication_slot_advance('${name}', pg_current_wal_lsn())`);
    await fallback!.query(`ALTER SUBSCRIPTION ${name} ENABLE`);
    await write(2000, 2009);
    await markerRoundTrip(production!, fallback!);
    const look = await lookAtFeed(production!, fallback!, name);
    expect(look.state).toBe('alive');
    expect(look.reasons[0]).toMatch(/^changes were left out that production wrote after 20\d\d-.* UTC: .*somebody has moved the slot on/);
    const seen = { is: 'failed', code: 'feed.skipped' };
    expect(await feedCaughtUp('a', 'b').observe(stepContext())).toMatchObject(seen);
    expect(await feedStarted('a', 'b').observe(stepContext())).toMatchObject(seen);
    // a rollback goes on: it compares.
    expect(await feedCaughtUp('a', 'b', 'feed.drained').observe(stepContext())).toMatchObject({ is: 'done' });
    // it stays so, and what a cutover leaves out on purpose is none.
    await lookAtFeed(production!, fallback!, name);
    expect((await feedHealth(production!, fallback!, name)).reasons[0]).toBe(look.reasons[0]);
    await pauseFeed(production!, fallback!, name);
    await beat(production!);
    await resumeFeed(production!, fallback!, name, options().source, await publishable(production!));
    expect((await lookAtFeed(production!, fallback!, name)).reasons.filter((text) => text.startsWith('changes were'))).toEqual([]);
  });
});

test('a feed whose replacement is given up at any statement never begins again from another position', async () => {
  await begin();
  await fork();
  let finished = false;
  for (let at = 1; !finished; at += 1) {
    await write(at * 100, at * 100 + 49);
    await markerRoundTrip(production!, fallback!);
    let count = 0;
    const killed = new Error(`killed before statement ${at}`);
    const dying = (db: Db): Db => ({
      address: db.address,
      query: (sql, params) => (++count === at ? Promise.reject(killed) : db.query(sql, params)),
      transaction: (action) => db.transaction((inside) => action(dying(inside))),
      queries: (statements) => db.queries(statements),
      close: () => db.close(),
    });
    finished = await startFeed(production!, dying(fallback!), name, options().source, await currentLsn(production!)).then(
      () => true,
      (error: unknown) => {
        if (error !== killed) throw error;
        return false;
      },
    );
    // the slot is where it was when it was last written down, far behind what the feed has brought; and somebody switches on what is there.
    if (!finished) {
      await a!.test.crash();
      await a!.test.restart();
      production = await a!.master();
    }
    await fallback!.query(`ALTER SUBSCRIPTION ${name} ENABLE`).catch(() => undefined);
    if ((await readSubscription(fallback!, name))?.enabled !== true)
      await startFeed(production!, fallback!, name, options().source, await currentLsn(production!));
    await isEqual();
  }
});

test('a large transaction at the fence: after half a minute its size and rate are said, and at the decision time it is given up', async () => {
  await begin();
  await fork();
  await beat(production!);
  await markerRoundTrip(production!, fallback!);
  const blocker = await b!.superuser();
  await blocker.query('BEGIN; SELECT FROM orders WHERE id = 1 FOR UPDATE');
  await production!.query(
    "BEGIN; INSERT INTO orders SELECT i, repeat('x', 100) FROM generate_series(1000, 21000) i; UPDATE orders SET ref = 'late' WHERE id = 1; COMMIT",
  );
  await becomes(fallback!, 'its end', waitsLonger);
  const at = Date.parse('2026-11-30T02:00:00Z');
  let elapsed = 0;
  const step = feedCaughtUp('a', 'b');
  const look = (waitedMs: number, upBy?: object, answers: [string, object][] = []) =>
    step.observe(
      stepContext({
        waitedMs: () => waitedMs,
        clock: { now: () => at, elapsed: () => elapsed },
        view: { begun: () => false, facts: () => undefined, answers: new Map(answers), upBy },
      }),
    );
  expect(await look(29_000)).toMatchObject({ is: 'pending', detail: expect.not.stringContaining('waits behind') });
  // the fallback writes something, and the time between two looks is the test's.
  await fallback!.query("SELECT pg_logical_emit_message(false, 'test', repeat('x', 2000000))");
  elapsed = 10_000;
  const words = expect.stringMatching(
    /it waits behind up to [\d.]+ MB of production's log, as a large transaction is; the fallback writes [\d.]+ kB a second, so at the most \d+ s more/,
  );
  expect(await look(31_000)).toMatchObject({ is: 'pending', detail: words });
  const upBy = { upBy: '2026-11-30T02:05:00Z', decision: { decideBy: '2026-11-30T02:00:00.000Z' } };
  expect(await look(31_000, { ...upBy, decision: { decideBy: '2026-11-30T02:00:00.001Z' } })).toMatchObject({ is: 'pending' });
  expect(await look(31_000, upBy)).toMatchObject({
    ...{ is: 'failed', code: 'decision.roll-back', message: words },
    state: 'Nothing was migrated and nothing is lost: a rollback opens a again.',
  });
  expect(await look(31_000, upBy, [['decision.time', { answer: 'go' }]])).toMatchObject({ is: 'pending' });
  await blocker.query('COMMIT');
  await isEqual();
  expect(await look(40_000, upBy)).toMatchObject({ is: 'done' });
});
