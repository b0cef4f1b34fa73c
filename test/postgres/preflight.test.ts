import { openTo } from '../../lib/postgres/fence';
import { type Finding, preflight } from '../../lib/postgres/preflight';
import { blue, master, prepareUsers, roles, type Server, startServer, stopServers } from './servers';

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
  expect(said('user-owns-tables')).toContain("the user 'shop' owns public.owned_by_shop");
  expect(said('writes-past-the-fence')).toContain("the user 'stray' may write to public.orders by a grant of its own");
  expect(said('prepared-transactions')).toContain('stuck of master');
  expect(said('asynchronous-commit')).toContain('shop');

  // What only the feed minds is no matter for a fork inside the window.
  const inWindow = codes(await preflight(db, undefined, { roles }));
  expect(inWindow).not.toContain('refuse tables-without-identity');
  expect(inWindow).toContain('refuse prepared-transactions');

  // Looked at, and accepted.
  const accepted = await preflight(db, undefined, {
    roles,
    fork: 'ahead',
    acknowledged: ['large-objects'],
    acknowledgedFunctions: ['public.sneak()'],
  });
  expect(codes(accepted)).toContain('warn large-objects');
  expect(codes(accepted)).not.toContain('refuse security-definer');
  await db.query("ROLLBACK PREPARED 'stuck'");
  await admin.close();
}, 20_000);

test('settings that cannot feed, servers that differ, and a master user without rights are refused', async () => {
  const poor = await startServer({ settings: { wal_level: 'replica', max_connections: 30 } });
  const admin = await poor.superuser();
  await admin.query('ALTER ROLE master NOREPLICATION; REVOKE pg_signal_backend FROM master');
  await admin.query("ALTER DATABASE video SET timezone = 'America/New_York'");
  await admin.close();
  const db = await server.master();
  const findings = await preflight(await poor.as(master), undefined, { roles, fork: 'ahead' });
  expect(codes(findings)).toEqual(['refuse no-slot-limit', 'refuse rights', 'refuse roles-missing', 'refuse wal-level']);
  expect(findings.filter((finding) => finding.code === 'rights' && !imitated(finding)).map(({ what }) => what)).toEqual([
    "the master user 'master' may not end other users' sessions",
    "the master user 'master' may not make replication slots",
  ]);
  const differing = (await preflight(db, await poor.as(master), { roles })).filter(({ code }) =>
    ['settings-differ', 'fallback-smaller'].includes(code),
  );
  expect(differing.map(({ severity, what }) => `${severity} ${what.split(' is ')[0]}`).sort()).toEqual([
    'refuse max_connections',
    'warn TimeZone',
  ]);
});
