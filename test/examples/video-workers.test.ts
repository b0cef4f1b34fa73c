import { type ReleaseName, until, VideoHost } from './video';

let host: VideoHost;
beforeAll(async () => {
  host = await VideoHost.start();
  await host.createDatabase('form1', '1.0.0');
  await host.createDatabase('form2', '2.0.0');
});
afterEach(() => host.endPrograms());
afterAll(() => host.stop());

describe.each(['1.0.0', '2.0.0'] as const)('release %s', (release: ReleaseName) => {
  const database = release === '1.0.0' ? 'form1' : 'form2';
  const rows = <Row extends object = Record<string, unknown>>(sql: string) => host.query<Row>(database, sql);
  const play = (first: number, last: number) =>
    rows(
      `insert into jobs (kind, payload) select 'play', jsonb_build_object('video', 1 + n % 9, 'ref', 'play-' || n) from generate_series(${first}, ${last}) n`,
    );
  const emptyQueue = () => until('an empty queue', async () => (await rows('select from jobs where failed_at is null')).length === 0);

  test('three queue workers count every playback once', async () => {
    await play(1, 400);
    await Promise.all([1, 2, 3].map(() => host.worker(release, 'queue', database)));
    await emptyQueue();
    expect(await rows(`select count(*)::int as plays, count(distinct ref)::int as refs from plays`)).toEqual([{ plays: 400, refs: 400 }]);
    expect(await rows(`select sum(play_count)::int as counted from videos`)).toEqual([{ counted: 400 }]);
  });

  test('a job that cannot be done is set aside with its error; the others are done', async () => {
    await rows(`insert into jobs (kind, payload, attempts) values ('play', '{"video": 99999, "ref": "bad"}', 4), ('polish', '{}', 4)`);
    await play(401, 410);
    await host.worker(release, 'queue', database);
    await emptyQueue();
    expect(await rows(`select kind, attempts, error from jobs order by kind`)).toEqual([
      { kind: 'play', attempts: 5, error: expect.stringContaining('foreign key') },
      { kind: 'polish', attempts: 5, error: 'there is no job called polish' },
    ]);
    expect(await rows(`select from plays where ref in ('play-401', 'play-410')`)).toHaveLength(2);
    await rows('delete from jobs');
  });

  test('a queue worker finishes its job on SIGTERM', async () => {
    const worker = await host.worker(release, 'queue', database);
    await worker.says(/works as/);
    // holds the row that the job needs, so that SIGTERM arrives in the middle of it
    const held = rows(`begin; update videos set title = title where id = 3; select pg_sleep(0.8); commit`);
    await rows(`insert into jobs (kind, payload) values ('play', '{"video": 3, "ref": "in-the-middle"}')`);
    await until(
      'the job to be waiting',
      async () => (await rows(`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`)).length > 0,
    );
    expect(await worker.terminate()).toBe(0);
    await held;
    expect(await rows(`select from plays where ref = 'in-the-middle'`)).toHaveLength(1);
  });

  test('billing puts every charge on one invoice of its payer', async () => {
    await host.worker(release, 'billing', database);
    await until('all charges billed', async () => (await rows('select from charges where invoice_id is null')).length === 0);
    const payer = release === '1.0.0' ? 'user_id' : 'account_id';
    expect(
      await rows(
        `select from invoices i where cents <> (select sum(cents) from charges c where c.invoice_id = i.id and c.${payer} = i.${payer})`,
      ),
    ).toEqual([]);
    expect(await rows('select (select sum(cents)::int from charges) = (select sum(cents)::int from invoices) as equal')).toEqual([
      { equal: true },
    ]);
  });

  test('the clock ticks and has the trending list made', async () => {
    await Promise.all([host.worker(release, 'clock', database), host.worker(release, 'queue', database)]);
    await until('two ticks', async () => (await rows('select from ticks')).length >= 2);
    await until('a trending list', async () => (await rows('select from trending')).length === 1);
  });

  test('every run is on record: who, since when, and that it stopped', async () => {
    await rows('delete from worker_runs');
    const clock = await host.worker(release, 'clock', database);
    const [, instance] = await clock.says(/works as (\S+)/);
    await until('a heartbeat', async () => (await rows('select from worker_runs where seen_at > started_at')).length === 1);
    expect(await clock.terminate()).toBe(0);
    expect(await rows('select worker, instance, release, color, stopped_at >= started_at as stopped from worker_runs')).toEqual([
      { worker: 'clock', instance, release, color: release === '1.0.0' ? 'blue' : 'green', stopped: true },
    ]);
    expect(clock.output).toContain('clock stopped');
  });

  test('behind the fence a worker waits, does nothing, and goes on when it is lifted', async () => {
    const worker = await host.worker(release, 'queue', database);
    await worker.says(/works as/);
    await host.fence();
    try {
      await play(501, 505);
      await worker.says(/permission denied/);
      const late = await host.worker(release, 'queue', database);
      await late.says(/permission denied/);
      expect(late.output).not.toContain('works as');
      expect(await late.terminate()).toBe(0);
    } finally {
      await host.unfence();
    }
    await emptyQueue();
    await worker.says(/working again/);
    expect(await rows(`select from plays where ref in ('play-501', 'play-505')`)).toHaveLength(2);
  });

  test('a worker survives the end of its sessions', async () => {
    const worker = await host.worker(release, 'queue', database);
    await worker.says(/works as/);
    await host.terminate('video_blue');
    await play(601, 605);
    await emptyQueue();
    expect(worker.process.exitCode).toBeNull();
  });
});

test('an unknown worker is refused in one sentence', async () => {
  const program = host.run('2.0.0', ['worker.js']);
  expect(await program.exited).toBe(2);
  expect(program.output).toMatch(/^unknown worker "": start one of queue, clock, billing/);
});
