import { Client } from 'pg';
import { openTo, proveFenced } from '../../../lib/postgres/access/fence';
import type { Db } from '../../../lib/postgres/connection/connect';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { copyAhead } from '../../../lib/postgres/replication/copy';
import { type ForkOptions, forkAhead, forkLsn, forkState, undoFork } from '../../../lib/postgres/replication/fork';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { ensureFeedUser, feedName, readSlot } from '../../../lib/postgres/replication/subscription';
import { compareTables } from '../../../lib/postgres/verification/compare';
import { audit, type Load, loadTables, startLoad } from '../load';
import { allowFeeding, blue, database, failure, master, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

const name = feedName('w1');
const feed = { username: 'switchback_feed', password: "feed-'secret" };
const good = { max_slot_wal_keep_size: '1GB' };

let [a, b]: Server[] = [];
let production: Db;
let load: Load | undefined;

beforeEach(async () => {
  a = await startServer({ settings: good });
  production = await a.master();
  await production.query(loadTables);
  await prepareUsers(production);
  await allowFeeding(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  await openTo(production, roles, blue.username);
  b = await a.standby();
});
afterEach(async () => {
  await load?.stop();
  load = undefined;
  await stopServers();
});

const customers = () => ({ host: a!.test.host, port: a!.test.port, database, user: blue.username, password: blue.password });
const auditor = (server: Server) => ({ ...server.test.connection, database });
const options = (more: Partial<ForkOptions> = {}): ForkOptions => ({
  production,
  fallback: () => b!.master(),
  name,
  source: { address: a!.address, login: feed },
  roles,
  login: master,
  promote: () => b!.test.promote(),
  ...more,
});

/** Nothing missing, nothing twice, and equal in every row, once the writers have stopped. */
async function expectEqual(): Promise<void> {
  await load!.stop();
  const fallback = await b!.master();
  await markerRoundTrip(production, fallback);
  expect(load!.errors).toEqual([]);
  expect(load!.acknowledged.size).toBeGreaterThan(50);
  const result = await audit(auditor(b!), load!);
  expect(result).toMatchObject({ missing: [], duplicated: [], unknown: 0 });
  expect((await compareTables(production, fallback)).equal).toBe(true);
}

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('forked ahead under load, with a transaction open across the promotion and the restart that RDS does: nothing missed, nothing twice', async () => {
  load = await startLoad(customers);
  const across = new Client(customers());
  const promote = async () => {
    await across.connect();
    await across.query("BEGIN; INSERT INTO orders VALUES ('across', 0); INSERT INTO log VALUES ('across')");
    await b!.test.promote();
    await across.query("UPDATE orders SET touched = 1 WHERE id = 'across'; COMMIT");
    load!.acknowledged.add('across');
    await across.end();
    await b!.test.restart();
  };
  const steps: string[] = [];
  const fork = await forkAhead(options({ promote, onProgress: (what) => void steps.push(what.split(' ')[0]!) }));
  expect(fork.placed).toBe('origin');
  expect(fork.sources).toContain('timeline history');
  expect(steps).toEqual(['publication', 'slot', 'promotion', 'fence', 'feed']);
  const before = load.acknowledged.size;
  await until(() => load!.acknowledged.size > before + 50);
  await expectEqual();
  // The fallback is fenced although the roles of production, who may write there, were copied.
  expect((await proveFenced(await b!.master(), roles)).reasons).toEqual([]);
  expect(await (await b!.as(blue)).query('SELECT count(*)::int > 0 AS reads FROM orders')).toEqual([{ reads: true }]);
  // Running it again finds it done.
  expect((await forkAhead(options())).placed).toBe('before');
});

test('the two sources of the fork position agree, also after a crash of the fallback', async () => {
  const admin = await a!.superuser();
  await admin.query('CREATE EXTENSION pg_walinspect; GRANT pg_read_server_files TO master');
  await admin.query('GRANT EXECUTE ON FUNCTION pg_get_wal_records_info(pg_lsn, pg_lsn) TO master');
  await admin.close();
  load = await startLoad(customers);
  const fork = await forkAhead(options());
  expect(fork.sources).toEqual(['timeline history', 'end-of-recovery record']);
  await b!.test.crash();
  await b!.test.restart();
  expect(await forkLsn(master, production, await b!.master(), name)).toEqual({
    lsn: fork.lsn,
    sources: ['timeline history', 'end-of-recovery record'],
  });
  await expectEqual();
});

test('without the right to place an origin the slot is moved, and it is as exact', async () => {
  // Before 16 our master user is a superuser, who has every right.
  if ((await majorVersion(production)) < 16) return;
  const admin = await a!.superuser();
  await admin.query('REVOKE EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) FROM master');
  await admin.close();
  load = await startLoad(customers);
  expect((await forkAhead(options())).placed).toBe('slot');
  const before = load.acknowledged.size;
  await until(() => load!.acknowledged.size > before + 50);
  await expectEqual();
});

test('given up at every point, and taken up again by somebody who knows only the two servers', async () => {
  load = await startLoad(customers);
  for (const where of ['publication', 'slot', 'promotion', 'fence', 'feed']) {
    const stop = new Error(`killed at ${where}`);
    const stopHere = (what: string): void => {
      if (what.startsWith(where)) throw stop;
    };
    expect(await failure(forkAhead(options({ onProgress: stopHere })))).toBe(stop);
    const before = load.acknowledged.size;
    await until(() => load!.acknowledged.size > before + 20);
    if (where === 'feed') await b!.test.restart();
  }
  await forkAhead(options());
  await expectEqual();
});

test('given up after the promotion was asked for, with a fallback that crashes then', async () => {
  load = await startLoad(customers);
  const stop = new Error('killed');
  await failure(
    forkAhead(
      options({
        promote: async () => {
          await b!.test.promote();
          await b!.test.crash();
          throw stop;
        },
      }),
    ),
  );
  await b!.test.restart();
  expect(await forkState(production, await b!.master(), name)).toEqual({
    publication: true,
    slot: 'there',
    promoted: true,
    subscribed: false,
    feeding: false,
  });
  await forkAhead(options());
  await expectEqual();
});

test('the fallback and production crash while feeding, and nothing is lost or doubled', async () => {
  load = await startLoad(customers);
  await forkAhead(options());
  await b!.test.crash();
  await b!.test.restart();
  const before = load.acknowledged.size;
  await until(() => load!.acknowledged.size > before + 30);
  await a!.test.crash();
  await a!.test.restart();
  production = await a!.master();
  const after = load.acknowledged.size;
  await until(() => load!.acknowledged.size > after + 30);
  await load.stop();
  const fallback = await b!.master();
  await markerRoundTrip(production, fallback);
  expect(await audit(auditor(b!), load)).toMatchObject({ missing: [], duplicated: [], unknown: 0 });
  expect((await compareTables(production, fallback)).equal).toBe(true);
});

test('without any position to start from, the fallback is emptied and copied under load, and is as equal', async () => {
  load = await startLoad(customers);
  await b!.test.promote();
  const steps: string[] = [];
  await copyAhead(options({ onProgress: (what) => void steps.push(what) }));
  expect(steps).toEqual(['fence of the fallback', 'emptying of 3 tables', 'publication', 'slot', 'copy of 3 tables']);
  const before = load.acknowledged.size;
  await until(() => load!.acknowledged.size > before + 30);
  await expectEqual();
  await copyAhead(options());
});

test('a fallback promoted before there was a slot cannot be fed, and that is said', async () => {
  await b!.test.promote();
  const error = await failure(forkAhead(options()));
  expect(error.message).toContain("was promoted without a publication 'switchback_w1'");
});

test('undone, production holds nothing back for the fallback any more', async () => {
  await forkAhead(options());
  await undoFork(production, await b!.master(), name);
  expect(await readSlot(production, name)).toBeUndefined();
  expect(await production.query('SELECT FROM pg_publication')).toEqual([]);
  await undoFork(production, undefined, name);
});
