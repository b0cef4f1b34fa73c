import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { audit, isClean } from '../../examples/video/audit';
import { startCustomers } from '../../examples/video/customers';
import { type Program, until, VideoHost } from './video';

const folder = mkdtempSync(join(tmpdir(), 'video-audit-'));
const acknowledgements = join(folder, 'acks.jsonl');
let host: VideoHost;
let front: Server;

const rows = <Row extends object = Record<string, unknown>>(sql: string) => host.query<Row>('video', sql);
const audited = () => audit({ files: [acknowledgements], connection: host.url('video', 'video_reader') });
/** One finding is planted, looked for and taken back. */
async function planted<T>(plant: string, remove: string, look: () => Promise<T>): Promise<T> {
  await rows(plant);
  try {
    return await look();
  } finally {
    await rows(remove);
  }
}

/** Some seconds of real customers against release 1.0.0, with its workers. */
beforeAll(async () => {
  host = await VideoHost.start();
  await host.createDatabase('video', '1.0.0');
  const names = ['site', 'api', 'player'] as const;
  const applications = await Promise.all(names.map((name) => host.application('1.0.0', name, 'video')));
  await Promise.all(['queue', 'clock', 'billing'].map((name) => host.worker('1.0.0', name, 'video')));
  front = await frontOf(applications);
  // How fast the answers are is no matter here: on a machine with other work the first ones take seconds.
  const url = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  const customers = startCustomers({ url, rate: 80, file: acknowledgements, timeoutMs: 25_000 });
  await until('120 acknowledged writes', () => customers.summary().writes.acknowledged >= 120, 25);
  const { watch } = (await customers.stop()).kinds;
  expect(watch.ok).toBe(watch.requests);
  expect(watch.requests).toBeGreaterThan(0);
  await host.endPrograms();
});
afterAll(async () => {
  await new Promise((resolve) => front.close(resolve));
  await host.stop();
  rmSync(folder, { recursive: true });
});

/** The least of a balancer: sends each path to its application. */
async function frontOf([site, api, player]: Program[]): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    const target = path.startsWith('/api') ? api : path.startsWith('/watch') ? player : site;
    const forwarded = request(`${target?.url}${path}`, { method: incoming.method, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const oneOf = async (table: string) =>
  (await rows<{ ref: string }>(`select ref from ${table} where ref not like 'first-%' order by id limit 1`))[0]?.ref ?? '';

test('what customers were told is there, once, in the form of release 1.0.0', async () => {
  const result = await audited();
  expect(isClean(result)).toBe(true);
  expect(result).toMatchObject({
    schema: 'v1',
    lost: [],
    duplicated: [],
    changed: [],
    refusedPresent: [],
    onceWorkerOverlaps: [],
    inconsistencies: [],
  });
  expect(result.acknowledged).toBeGreaterThanOrEqual(120);
  expect(result.totals.charges).toBeGreaterThan(500);
  expect(result.totals.plays + result.totals.queued).toBeGreaterThan(0);
});

test('a lost charge, a lost playback and a lost signup are found by name', async () => {
  const charge = await oneOf('charges');
  const play = (
    await rows<{ ref: string }>(`select payload ->> 'ref' as ref from jobs where kind = 'play' union all select ref from plays limit 1`)
  )[0]?.ref;
  const [{ email } = { email: '' }] = await rows<{ email: string }>('select email from users order by id desc limit 1');
  await rows(
    'create schema aside; create table aside.charges as table charges; create table aside.jobs as table jobs; create table aside.plays as table plays',
  );
  await rows(
    `delete from charges where ref = '${charge}'; delete from jobs where payload ->> 'ref' = '${play}'; delete from plays where ref = '${play}'`,
  );
  await rows(`update users set email = 'lost-' || email where email = '${email}'`);
  try {
    const result = await audited();
    expect(new Set(result.lost)).toEqual(new Set([charge, play, email]));
    expect(result.lost).toHaveLength(3);
    expect(isClean(result)).toBe(false);
  } finally {
    await rows(`update users set email = '${email}' where email = 'lost-${email}'`);
    for (const table of ['charges', 'jobs', 'plays'])
      await rows(`insert into ${table} select * from aside.${table} on conflict do nothing`);
    await rows('drop schema aside cascade');
  }
});

test('a duplicate is found, in the table and between queue and table', async () => {
  const charge = await oneOf('charges');
  const play = await oneOf('plays');
  const result = await planted(
    `insert into charges (user_id, ref, cents) select user_id, ref, cents from charges where ref = '${charge}';
     insert into jobs (kind, payload) select 'play', jsonb_build_object('video', video_id, 'ref', ref) from plays where ref = '${play}'`,
    `delete from charges where id = (select max(id) from charges where ref = '${charge}'); delete from jobs where payload ->> 'ref' = '${play}'`,
    audited,
  );
  expect(result.duplicated).toEqual(expect.arrayContaining([charge, play]));
  expect(result.duplicated).toHaveLength(2);
  expect(result.lost).toEqual([]);
});

test('a charge that ended up with somebody else is found', async () => {
  const charge = await oneOf('charges');
  const swap = `update charges set user_id = 201 - user_id where ref = '${charge}'`;
  expect((await planted(swap, swap, audited)).changed).toEqual([charge]);
});

test('unknown outcomes are counted both ways, a refused write that is there is a finding', async () => {
  const charge = await oneOf('charges');
  const line = (ref: string, write: string) =>
    `${JSON.stringify({ at: '', kind: 'charge', path: '/api/charges', ref, status: 0, ms: 1, write })}\n`;
  const extra = join(folder, 'extra.jsonl');
  // the last line was cut off when its writer was killed
  appendFileSync(
    extra,
    `${line(charge, 'unknown')}${line('never-1', 'unknown')}${line('never-2', 'refused')}${line(charge, 'refused')}{"at":"2026`,
  );
  const result = await audit({ files: [extra], connection: host.url('video', 'video_reader') });
  expect(result).toMatchObject({ acknowledged: 0, unknownPresent: 1, unknownAbsent: 1, refusedPresent: [charge], lost: [] });
});

test('two copies of a worker that may only run once are found, by their runs and by what they did', async () => {
  const run = (worker: string, from: number, to: number) =>
    `insert into worker_runs (worker, instance, release, color, started_at, seen_at, stopped_at)
       values ('${worker}', gen_random_uuid(), '9', 'blue', now() + interval '${from} s', now() + interval '${to} s', null);`;
  const result = await planted(
    run('billing', 100, 110) + run('billing', 107, 120) + run('billing', 120, 130) + run('queue', 100, 110) + run('queue', 100, 110),
    `delete from worker_runs where release = '9'`,
    audited,
  );
  expect(result.onceWorkerOverlaps).toMatchObject([{ worker: 'billing', seconds: 3, first: expect.stringMatching(/^blue 9 /) }]);

  const a = '00000000-0000-0000-0000-00000000000a';
  const b = '00000000-0000-0000-0000-00000000000b';
  const ticks = `insert into ticks (instance, at) select x, now() + interval '1 s' * n from (values ('${a}'::uuid, 100), ('${b}', 101), ('${a}', 102), ('${b}', 103)) t (x, n)`;
  const turns = await planted(ticks, `delete from ticks where instance in ('${a}', '${b}')`, audited);
  expect(turns.onceWorkerOverlaps).toMatchObject([{ worker: 'clock (by its ticks)', first: a, second: b, seconds: 1 }]);
});

test('sums that do not agree are found', async () => {
  const result = await planted(
    'update videos set play_count = play_count + 1 where id = 1',
    'update videos set play_count = play_count - 1 where id = 1',
    audited,
  );
  expect(result.inconsistencies).toEqual(['1 videos whose counter differs from their plays']);
});

test('a database of another kind is refused', async () => {
  await host.createDatabase('empty');
  const connection = host.url('empty', 'video_reader');
  await expect(audit({ files: [acknowledgements], connection })).rejects.toThrow(
    'this is not a database of the video host: it has no table charges',
  );
});

test('after the migration to release 2.0.0 the same acknowledgements are all there, in the new schema', async () => {
  await host.migrate('video', '2.0.0', 'expand');
  const result = await audited();
  expect(result.schema).toBe('v2');
  expect(result).toMatchObject({ lost: [], duplicated: [], changed: [], refusedPresent: [], inconsistencies: [] });

  const charge = await oneOf('charges');
  const swap = `update charges set account_id = 201 - account_id where ref = '${charge}'`;
  expect((await planted(swap, swap, audited)).changed).toEqual([charge]);
});
