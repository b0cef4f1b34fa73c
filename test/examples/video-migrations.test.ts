import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, imageOf, VideoHost } from './video';

let host: VideoHost;
beforeAll(async () => {
  host = await VideoHost.start();
});
afterEach(() => host.endPrograms());
afterAll(() => host.stop());

const tablesWithoutKey = `select c.relname from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
  and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)`;

test('release 1.0.0 makes its schema once; each migration is a line with its duration', async () => {
  await host.createDatabase('fresh');
  expect(await host.migrate('fresh', '1.0.0', 'expand')).toMatch(
    /^expand 0001_schema \d+\.\d{3} s\nexpand 0002_first_videos \d+\.\d{3} s\nexpand: 2 applied in \d+\.\d{3} s\n$/,
  );
  expect(await host.migrate('fresh', '1.0.0', 'expand')).toBe('expand: nothing to apply\n');
  expect(await host.migrate('fresh', '1.0.0', 'contract')).toBe('contract: nothing to apply\n');
});

test('every object belongs to the owner, and every table has a primary key', async () => {
  await host.createDatabase('owned', '2.0.0');
  const owners = `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace = 'public'::regnamespace`;
  expect(await host.query('owned', owners)).toEqual([{ owner: 'video_owner' }]);
  expect(await host.query('owned', tablesWithoutKey)).toEqual([]);
});

test('release 2.0.0 carries all data of 1.0.0 over: who pays what, names, profiles, invoices, queued jobs', async () => {
  await host.createDatabase('moved', '1.0.0');
  const rows = <Row extends object>(sql: string) => host.query<Row>('moved', sql);
  await rows(`insert into invoices (user_id, cents) select user_id, sum(cents) from charges where id <= 100 group by user_id`);
  await rows(`update charges set invoice_id = invoices.id from invoices where invoices.user_id = charges.user_id and charges.id <= 100`);
  await rows(`insert into jobs (kind, payload) values ('play', '{"video": 2, "ref": "queued-before"}')`);
  const before = {
    people: await rows('select id, name, email, bio, city from users order by id'),
    charges: await rows('select id, user_id as who, ref, cents, invoice_id from charges order by id'),
    invoices: await rows('select id, user_id as who, cents from invoices order by id'),
  };

  const output = await host.migrate('moved', '2.0.0', 'expand');
  expect(output).toContain('charges: batch 20 of 20');
  expect(output).toMatch(/expand: 5 applied in/);

  const after = {
    people: await rows('select id, full_name as name, email, bio, city from users join profiles on user_id = id order by id'),
    charges: await rows(
      'select c.id, owner_id as who, ref, cents, invoice_id from charges c join accounts a on a.id = account_id order by c.id',
    ),
    invoices: await rows('select i.id, owner_id as who, cents from invoices i join accounts a on a.id = account_id order by i.id'),
  };
  expect(after).toEqual(before);
  expect(await rows(`select column_name from information_schema.columns where table_name = 'users' order by ordinal_position`)).toEqual(
    ['id', 'full_name', 'email', 'created_at'].map((column_name) => ({ column_name })),
  );
});

test('release 2.0.0 works before and after its contract part', async () => {
  await host.createDatabase('contracted', '1.0.0');
  await host.migrate('contracted', '2.0.0', 'expand');
  const api = await host.application('2.0.0', 'api', 'contracted');
  const charge = (ref: string) => ask(`${api.url}/api/charges`, { body: { user: 1, cents: 5, ref } });
  expect((await charge('before')).status).toBe(201);
  expect(await host.migrate('contracted', '2.0.0', 'contract')).toMatch(
    /^contract 0001_charges_without_users \d+\.\d{3} s\ncontract: 1 applied/,
  );
  expect(await host.migrate('contracted', '2.0.0', 'contract')).toBe('contract: nothing to apply\n');
  expect((await charge('after')).status).toBe(201);
});

test('the backfill takes as long as it is told to, and goes on where it was interrupted', async () => {
  await host.createDatabase('slow', '1.0.0');
  const interrupted = host.run('2.0.0', ['migrate.js', 'expand'], {
    DATABASE_URL: host.url('slow', 'video_migrator'),
    BACKFILL_SECONDS: '8',
  });
  await interrupted.says(/charges: batch 2 of 20, 25 rows/);
  await interrupted.kill();
  await host.terminate('video_migrator');
  const began = Date.now();
  const output = await host.migrate('slow', '2.0.0', 'expand', { BACKFILL_SECONDS: '1' });
  expect(Date.now() - began).toBeGreaterThan(1000);
  expect(output).toContain('charges: batch 1 of 20, 0 rows');
  expect(output).toMatch(/charges: batch 20 of 20, 25 rows/);
  expect(output).toMatch(/expand: 2 applied/);
});

test('data that the new schema forbids stops the migration: it is named, exits with 1, and goes on once mended', async () => {
  await host.createDatabase('broken', '1.0.0');
  await host.query('broken', `insert into charges (user_id, ref, cents) values (1, 'a gift', 0)`);
  await expect(host.migrate('broken', '2.0.0', 'expand')).rejects.toThrow(
    /exit code 1: (.|\n)*expand 0007_charges_belong_to_accounts failed: check constraint "charges_cents_positive" of relation "charges" is violated by some row\n$/,
  );
  await host.query('broken', `delete from charges where ref = 'a gift'`);
  expect(await host.migrate('broken', '2.0.0', 'expand')).toMatch(/expand: 1 applied/);
});

test('a database that cannot be reached, a wrong part, no address: each is one sentence', async () => {
  const run = async (args: string[], environment: Record<string, string>) => {
    const program = host.run('2.0.0', ['migrate.js', ...args], environment);
    return [await program.exited, program.output];
  };
  expect(await run(['expand'], { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/video' })).toEqual([
    1,
    'expand connecting failed: connect ECONNREFUSED 127.0.0.1:1\n',
  ]);
  expect(await run(['forward'], {})).toEqual([2, 'unknown part "forward": run `node migrate.js expand` or `node migrate.js contract`\n']);
  expect(await run(['expand'], {})).toEqual([
    2,
    'DATABASE_URL is not set: it must name the database and the user that migrations run as\n',
  ]);
});

test('a release never edits the migrations of the one before', () => {
  const folder = (release: '1.0.0' | '2.0.0') => join(imageOf(release), 'migrations/expand');
  for (const file of readdirSync(folder('1.0.0'))) {
    expect(readFileSync(join(folder('2.0.0'), file), 'utf8')).toBe(readFileSync(join(folder('1.0.0'), file), 'utf8'));
  }
});
