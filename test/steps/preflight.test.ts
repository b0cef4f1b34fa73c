/** The preflight as a stage makes it: what RDS and Secrets Manager say beside what the servers do. */
import type { Aws } from '../../lib/aws';
import type { Context } from '../../lib/engine/context';
import type { Manifest } from '../../lib/manifest/schema';
import { preflightPassed } from '../../lib/steps/preflight';
import { manifest as modelled } from '../_helpers/runbook';
import { database, prepareUsers, roles, type Server, startServer, stopServers } from '../postgres/servers';

const manifest: Manifest = {
  ...modelled,
  shared: { ...modelled.shared, database: { ...modelled.shared.database, name: database, roles, feedSecret: 'feed' } },
};
const rds = { class: 'db.r6g.large', storageGb: 100, multiAz: true, managedPassword: false };
let servers: Record<string, Server>;

beforeAll(async () => {
  const a = await startServer({ settings: { max_slot_wal_keep_size: '80GB' } });
  await a.test.query('ALTER ROLE master SUPERUSER');
  const db = await a.master();
  await db.query('CREATE TABLE users (id int PRIMARY KEY)');
  await prepareUsers(db);
  servers = { 'video-db': a, 'video-fallback-w1': await a.standby() };
});
afterAll(stopServers);

async function preflight(shown: { fallback?: object; production?: object; rotated?: string[]; of?: Manifest } = {}) {
  const lines: string[] = [];
  const context = {
    manifest: shown.of ?? manifest,
    aws: {
      databases: {
        describe: async (id: string) => ({ id, ...rds, ...(id === 'video-db' ? shown.production : shown.fallback) }),
      },
      settings: { secretRotates: async (secret: string) => shown.rotated?.includes(secret) ?? false },
    } as unknown as Aws,
    database: (instance: string) => servers[instance]!.master(),
    progress: async (line: string) => void lines.push(line),
  } as unknown as Context;
  const seen = await preflightPassed('video-db', 'video-fallback-w1', 'ahead').observe(context);
  // the tests' own connections are the master user's.
  return { seen, lines: lines.filter((line) => !line.includes('sessions-no-grant-binds')) };
}

test('each finding has a line with the SQL that shows it and the way out; a limit that is most of the disk is one', async () => {
  const { seen, lines } = await preflight();
  expect(seen).toMatchObject({ is: 'done', detail: expect.stringMatching(/remarks?, none that stops the window/) });
  expect(lines).toEqual([
    "warn slot-limit-over-disk: max_slot_wal_keep_size is 80 GB, the disk of video-db 100 GB: a feed that hangs would fill more than half of it; set it to what the disk can spare, for example 30 % of the free space. Shown by: SELECT setting::float8 AS mb FROM pg_settings WHERE name = 'max_slot_wal_keep_size'",
  ]);
});

test('in what the fallback is less than production, each with the command that mends it', async () => {
  const { lines } = await preflight({ fallback: { class: 'db.t4g.medium', storageGb: 50, multiAz: false } });
  const smaller = lines.filter((line) => line.startsWith('warn fallback-smaller'));
  expect(smaller).toEqual([
    expect.stringMatching(/a db\.t4g\.medium, video-db a db\.r6g\.large; .*--db-instance-class db\.r6g\.large$/),
    expect.stringMatching(/has 50 GB, video-db 100 GB; .*--allocated-storage 100$/),
    expect.stringMatching(/in one Availability Zone, video-db in two; .*--multi-az$/),
  ]);
});

test('a secret that is rotated by itself stops the stage, unless somebody has acknowledged it', async () => {
  const { seen } = await preflight({ rotated: ['blue-secret'] });
  expect(seen).toMatchObject({
    is: 'failed',
    code: 'preflight.refused',
    message: expect.stringMatching(/secret-rotation: the secret blue-secret is rotated .*cancel-rotate-secret --secret-id blue-secret/),
  });
  const acknowledged = { findings: ['secret-rotation'], functions: [] };
  const of = { ...manifest, shared: { ...manifest.shared, database: { ...manifest.shared.database, acknowledged } } };
  expect((await preflight({ rotated: ['blue-secret'], of })).seen).toMatchObject({ is: 'done' });
});

test('what was acknowledged in the stacks stops no stage: a SECURITY DEFINER function that somebody has read', async () => {
  const db = await servers['video-db']!.master();
  await db.query('CREATE FUNCTION take(n int) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ DELETE FROM public.users WHERE id = n $$');
  const { seen } = await preflight();
  expect(seen).toMatchObject({
    is: 'failed',
    message: expect.stringContaining('security-definer: the SECURITY DEFINER function public.take'),
  });
  const [, text] = /acknowledgedFunctions: \['([^']+)'\]/.exec((seen as { message: string }).message)!;
  const acknowledged = { findings: [], functions: [text!] };
  const of = { ...manifest, shared: { ...manifest.shared, database: { ...manifest.shared.database, acknowledged } } };
  expect((await preflight({ of })).seen).toMatchObject({ is: 'done' });
  await db.query('DROP FUNCTION take');
});

test('a master password that RDS manages is refused before anything is looked at', async () => {
  expect((await preflight({ production: { managedPassword: true } })).seen).toMatchObject({ code: 'preflight.managed-password' });
});
