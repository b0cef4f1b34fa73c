import { openTo } from '../../../lib/postgres/access/fence';
import type { Finding } from '../../../lib/postgres/preflight/finding';
import { preflight } from '../../../lib/postgres/preflight/preflight';
import { allowFeeding, blue, master, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

const good = { max_slot_wal_keep_size: '1GB', wal_level: 'logical' };
// Before PostgreSQL 16 nothing short of rds_superuser may subscribe; that there is a finding about it is right there.
const imitated = ({ what }: Finding): boolean => what === "the master user 'master' may not make subscriptions";
const codes = (findings: readonly Finding[]): string[] =>
  [...new Set(findings.filter((finding) => !imitated(finding)).map(({ code, severity }) => `${severity} ${code}`))].sort();

let server: Server;
let replica: Server;
beforeAll(async () => {
  server = await startServer({ settings: good });
  const db = await server.master();
  await db.query('CREATE TABLE orders (id int PRIMARY KEY)');
  await prepareUsers(db);
  await openTo(db, roles, blue.username);
  await allowFeeding(server);
  replica = await server.standby();
});
afterAll(stopServers);

test('a database that is ready has nothing to say, in either kind of window, and the look changes nothing', async () => {
  const [db, standby] = [await server.master(), await replica.master()];
  await db.query('BEGIN READ ONLY');
  expect(codes(await preflight(db, standby, { roles }))).toEqual([]);
  expect(codes(await preflight(db, standby, { roles, fork: 'ahead' }))).toEqual([]);
  await db.query('COMMIT');
});

test('every problem of the data and its users is found, with SQL that shows it and a way out', async () => {
  const admin = await server.superuser();
  const db = await server.master();
  await db.query('CREATE TABLE keyless (n int); CREATE TABLE whole (n int); ALTER TABLE whole REPLICA IDENTITY FULL');
  await db.query('CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY)');
  await db.query('CREATE MATERIALIZED VIEW summary AS SELECT count(*) FROM orders');
  await db.query('SELECT lo_create(0)');
  await db.query(
    'CREATE TABLE secured (id int PRIMARY KEY); ALTER TABLE secured ENABLE ROW LEVEL SECURITY; ALTER TABLE secured FORCE ROW LEVEL SECURITY',
  );
  await db.query('CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$');
  await db.query(
    'CREATE TRIGGER audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit(); ALTER TABLE orders ENABLE ALWAYS TRIGGER audit',
  );
  await db.query('CREATE FUNCTION sneak() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ DELETE FROM public.orders $$');
  await db.query("CREATE SEQUENCE nearly AS smallint; SELECT setval('nearly', 32000)");
  await db.query("CREATE ROLE shop LOGIN PASSWORD 'x'; CREATE ROLE stray LOGIN NOINHERIT; GRANT INSERT ON orders TO stray");
  await db.query(`GRANT ${roles.read} TO stray`);
  await admin.query(
    'CREATE TABLE owned_by_shop (id int PRIMARY KEY); ALTER TABLE owned_by_shop OWNER TO shop; CREATE TABLE of_a_dba (id int PRIMARY KEY)',
  );
  await admin.query('ALTER ROLE shop SET synchronous_commit = off');
  await admin.query("SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')");
  await admin.query(`GRANT ${roles.owner} TO ${roles.migrator}`);
  await db.query("BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'stuck'");

  const findings = await preflight(db, await replica.master(), { roles, fork: 'ahead' });
  expect(codes(findings)).toEqual([
    'note materialized-views',
    'refuse forced-row-security',
    'refuse large-objects',
    'refuse owner-not-ours',
    'refuse prepared-transactions',
    'refuse security-definer',
    'refuse tables-without-identity',
    'refuse user-does-not-inherit',
    'refuse user-owns-tables',
    'refuse writes-past-the-fence',
    'warn asynchronous-commit',
    'warn identity-full',
    'warn migrator-unlocked',
    'warn other-slots',
    'warn sequence-near-end',
    'warn sessions-no-grant-binds',
    'warn triggers-on-apply',
    'warn unlogged-tables',
  ]);
  expect(findings.map(({ severity }) => severity)).toEqual(
    [...findings.map(({ severity }) => severity)].sort(
      (x, y) => ['refuse', 'warn', 'note'].indexOf(x) - ['refuse', 'warn', 'note'].indexOf(y),
    ),
  );
  for (const { sql, wayOut } of findings) {
    await db.query(sql);
    expect(wayOut).not.toBe('');
  }
  const said = (code: string): string => findings.find((finding) => finding.code === code)!.what;
  expect(said('tables-without-identity')).toContain('public.keyless');
  expect(said('user-owns-tables')).toContain("'shop' owns public.owned_by_shop, and an owner can always write");
  expect(said('writes-past-the-fence')).toContain("'stray' may INSERT public.orders: the fence does not take that away");
  expect(said('prepared-transactions')).toContain('stuck of master');
  expect(said('asynchronous-commit')).toContain('shop');

  // What only the feed minds is no matter for a fork inside the window.
  const inWindow = codes(await preflight(db, undefined, { roles }));
  expect(inWindow).not.toContain('refuse tables-without-identity');
  expect(inWindow).toContain('refuse prepared-transactions');

  // Looked at, and accepted: the text of the function, not only its name.
  const [, acknowledge] = /acknowledgedFunctions: \['(public\.sneak\(\) [0-9a-f]{32})'\]/.exec(
    findings.find(({ code }) => code === 'security-definer')!.wayOut,
  )!;
  const accepted = await preflight(db, undefined, {
    roles,
    fork: 'ahead',
    acknowledged: ['large-objects'],
    acknowledgedFunctions: [acknowledge!],
  });
  expect(codes(accepted)).toContain('warn large-objects');
  expect(codes(accepted)).not.toContain('refuse security-definer');
  await db.query("ROLLBACK PREPARED 'stuck'");
  await admin.close();
});

test('tables whose changes would fail on production once they are published: each of them is found, and no other', async () => {
  const one = await startServer({ settings: good });
  const db = await one.master();
  await prepareUsers(db);
  await db.query(`CREATE TABLE keyless (n int);
    CREATE TABLE late (id int PRIMARY KEY DEFERRABLE, n int);
    CREATE TABLE dropped (id int NOT NULL, n int); CREATE UNIQUE INDEX dropped_id ON dropped (id);
    ALTER TABLE dropped REPLICA IDENTITY USING INDEX dropped_id; DROP INDEX dropped_id;
    CREATE TABLE nothing (id int PRIMARY KEY, n int); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE parts (id int, n int) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9); ALTER TABLE parts REPLICA IDENTITY FULL;
    CREATE TABLE good (id int PRIMARY KEY, n int); CREATE TABLE whole (n int); ALTER TABLE whole REPLICA IDENTITY FULL;
    CREATE TABLE sliced (id int PRIMARY KEY, n int) PARTITION BY RANGE (id); CREATE TABLE sliced_1 PARTITION OF sliced FOR VALUES FROM (0) TO (9)`);
  const all = ['keyless', 'late', 'dropped', 'nothing', 'parts', 'good', 'whole', 'sliced'];
  for (const table of all)
    await db.query(`INSERT INTO ${table} ${table === 'keyless' || table === 'whole' ? 'VALUES (1)' : 'VALUES (1, 1)'}`);
  const said = (await preflight(db, undefined, { roles, fork: 'ahead' })).find(({ code }) => code === 'tables-without-identity')?.what;
  // what the server itself says once they are published.
  await db.query(`CREATE PUBLICATION all_of_them FOR TABLE ${all.join(', ')} WITH (publish_via_partition_root = true)`);
  const failing: string[] = [];
  for (const table of all)
    await db
      .query(`UPDATE ${table} SET n = 2`)
      .catch((error: Error) => failing.push(/table "(\w+)"/.exec(error.message)?.[1] ?? error.message));
  expect(failing.sort()).toEqual(['dropped', 'keyless', 'late', 'nothing', 'parts_1']);
  for (const table of failing) expect(said).toContain(`public.${table}`);
  expect(said).not.toMatch(/good|whole|sliced|parts\b/);
});

test('a fallback that has other parameters is said, and so is a limit that is used up before the hold is over', async () => {
  const db = await server.master();
  const other = await server.standby({ work_mem: '64MB', default_statistics_target: 500 });
  const differing = (await preflight(db, await other.master(), { roles })).find(({ code }) => code === 'parameters-differ');
  expect(differing?.what).toContain('default_statistics_target (not set, 500), work_mem (not set, 65536)');
  await db.query('CREATE TABLE filler (id int PRIMARY KEY, text text)');
  await db.query('INSERT INTO filler SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i');
  await db.query('SELECT pg_stat_force_next_flush()');
  const short = async (holdSeconds: number) =>
    (await preflight(db, undefined, { roles, fork: 'ahead', holdSeconds, rateSeconds: 0 })).find(({ code }) => code === 'slot-limit-short');
  expect((await short(10 * 365 * 86_400))?.what).toMatch(
    /MB of WAL a second on average.* is given up after \d+ (min|h), and the hold lasts 87600 h/,
  );
  expect(await short(1)).toBeUndefined();
  // statistics that have only just begun say nothing about its days.
  const [holdSeconds, rateSeconds] = [10 * 365 * 86_400, 10 * 365 * 86_400];
  const young = await preflight(db, undefined, { roles, fork: 'ahead', holdSeconds, rateSeconds });
  expect(codes(young)).not.toContain('warn slot-limit-short');
});

test('settings that cannot feed, servers that differ, and a master user without rights are refused', async () => {
  const poor = await startServer({ settings: { wal_level: 'replica', max_connections: 30 } });
  const admin = await poor.superuser();
  await admin.query('ALTER ROLE master NOREPLICATION; REVOKE pg_signal_backend FROM master; ALTER DATABASE video OWNER TO postgres');
  await admin.query("ALTER DATABASE video SET timezone = 'America/New_York'");
  await admin.close();
  const db = await server.master();
  const findings = await preflight(await poor.as(master), undefined, { roles, fork: 'ahead' });
  expect(codes(findings)).toEqual([
    'note origin-right',
    'refuse no-slot-limit',
    'refuse rights',
    'refuse roles-missing',
    'refuse wal-level',
  ]);
  expect(findings.filter((finding) => finding.code === 'rights' && !imitated(finding)).map(({ what }) => what)).toEqual([
    "the master user 'master' may not end other users' sessions",
    "the master user 'master' may not make replication slots",
    "the master user 'master' may not make a publication in this database",
  ]);
  const differing = (await preflight(db, await poor.as(master), { roles })).filter(({ code }) =>
    ['settings-differ', 'fallback-smaller'].includes(code),
  );
  expect(differing.map(({ severity, what }) => `${severity} ${what.split(' is ')[0]}`).sort()).toEqual([
    'refuse TimeZone',
    'refuse max_connections',
  ]);
});
