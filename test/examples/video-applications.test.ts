import { Agent } from 'node:http';
import { ask, type Program, type ReleaseName, until, VideoHost } from './video';

let host: VideoHost;
beforeAll(async () => {
  host = await VideoHost.start();
  await host.createDatabase('form1', '1.0.0');
  await host.createDatabase('form2', '2.0.0');
});
afterAll(() => host.stop());

const databaseOf = (release: ReleaseName) => (release === '1.0.0' ? 'form1' : 'form2');

describe.each(['1.0.0', '2.0.0'] as const)('release %s', (release) => {
  const database = databaseOf(release);
  const fresh = (name: string, environment?: Record<string, string>) => host.application(release, name, database, environment);
  // One of each serves all tests that leave it running: a process costs more than most tests.
  const running = new Map<string, Promise<Program>>();
  const start = (name: string) => {
    const program = running.get(name) ?? fresh(name);
    running.set(name, program);
    return program;
  };
  afterAll(() => host.endPrograms());
  const color = release === '1.0.0' ? 'blue' : 'green';
  const payer = release === '1.0.0' ? { user: 7 } : { account: 7 };

  test('every answer says which release, commit and color gave it, the failing ones too', async () => {
    const applications = await Promise.all(['site', 'api', 'admin', 'player'].map((name) => start(name)));
    const paths = ['/release', '/api/release', '/admin/release', '/watch/release'];
    for (const [i, application] of applications.entries()) {
      const proof = await ask(application.url + paths[i]);
      expect(proof.status).toBe(200);
      expect(proof.json).toMatchObject({ version: release, commit: 'c0ffee', color });
      for (const answer of [proof, await ask(`${application.url}/nothing-here`)]) {
        expect(answer.headers).toMatchObject({ 'x-release': release, 'x-commit': 'c0ffee', 'x-color': color });
      }
    }
  });

  test('people sign up, by form or by program, and only once with an address', async () => {
    const site = await start('site');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const first = await ask(`${site.url}/signup`, { body: 'name=Ada&email=ada%40example.com', headers: form });
    expect(first).toMatchObject({ status: 201, json: { name: 'Ada', email: 'ada@example.com' } });
    expect(await ask(`${site.url}/signup`, { body: { name: 'Ada', email: 'ada@example.com' } })).toMatchObject({ status: 409 });
    expect((await ask(`${site.url}/`)).text).toContain(`release ${release} (c0ffee)`);
  });

  test('someone who just signed up can be charged', async () => {
    const [site, api] = await Promise.all([start('site'), start('api')]);
    const { id } = (await ask(`${site.url}/signup`, { body: { name: 'Bo', email: 'bo@example.com' } })).json;
    expect(await ask(`${api.url}/api/charges`, { body: { user: id, cents: 250, ref: 'bo-1' } })).toMatchObject({ status: 201 });
    const { charges } = (await ask(`${api.url}/api/charges?limit=1`)).json;
    expect(charges).toMatchObject([{ ref: 'bo-1', cents: 250, name: 'Bo' }]);
  });

  test('a charge is one row, for the payer that was named', async () => {
    const api = await start('api');
    const answer = await ask(`${api.url}/api/charges`, { body: { ...payer, cents: 1234, ref: 'one-row' } });
    expect(answer).toMatchObject({ status: 201, json: { ...payer, cents: 1234, ref: 'one-row' } });
    const column = release === '1.0.0' ? 'user_id' : 'account_id';
    expect(await host.query(database, `select ${column} as payer, cents from charges where ref = 'one-row'`)).toEqual([
      { payer: 7, cents: 1234 },
    ]);
  });

  test.each([
    ['an unknown payer', '/api/charges', { user: 99_999, cents: 1, ref: 'x' }, 404],
    ['a negative amount', '/api/charges', { user: 1, cents: -1, ref: 'x' }, 400],
    ['a missing ref', '/api/charges', { user: 1, cents: 1 }, 400],
    ['a video that does not exist', '/api/plays', { video: 99_999, ref: 'x' }, 404],
    ['a body that is not JSON', '/api/plays', 'video=1', 400],
    ['a body without end', '/api/plays', { ref: 'x'.repeat(70_000), video: 1 }, 413],
  ])('%s is refused with a reason', async (_what, path, body, status) => {
    const api = await start('api');
    const answer = await ask(api.url + path, { body });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatch(/\w+ \w+/);
  });

  test('the player answers programs and browsers, with a user that can only read', async () => {
    const player = await start('player');
    expect((await ask(`${player.url}/watch/5`)).json).toMatchObject({ id: 5, title: 'Video 5', by: 'Person 36', city: 'Osaka' });
    expect((await ask(`${player.url}/watch/5`, { headers: { accept: 'text/html' } })).text).toContain('by Person 36 in Osaka');
    expect((await ask(`${player.url}/watch/99999`)).status).toBe(404);
    expect((await ask(`${player.url}/watch/%zz`)).status).toBe(400);
    expect(await ask(`${player.url}/watch/5`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
  });

  test('admin asks the api with the routing key and shows who answered', async () => {
    const api = await fresh('api');
    const admin = await fresh('admin', { INTERNAL_URL: api.url, SWITCHBACK_KEY_HEADER: 'x-video-color', SWITCHBACK_KEY: color });
    expect((await ask(`${admin.url}/admin/charges`)).json).toMatchObject({ color, answeredBy: { color, release }, sameColor: true });
    expect((await ask(`${admin.url}/admin/`)).text).toContain(`the api that answered is ${release} in ${color}`);
    await api.kill();
    expect(await ask(`${admin.url}/admin/charges`)).toMatchObject({ status: 502, json: { reason: 'internal' } });
  });

  test('behind the fence writes answer 503 and reads go on; opened again, writes succeed without a restart', async () => {
    const [site, api] = await Promise.all([start('site'), start('api')]);
    const writes: [string, object][] = [
      [`${api.url}/api/charges`, { user: 1, cents: 5, ref: 'fenced' }],
      [`${api.url}/api/plays`, { video: 1, ref: 'fenced' }],
      [`${site.url}/signup`, { name: 'Cy', email: 'cy@example.com' }],
    ];
    await host.fence();
    try {
      for (const [url, body] of writes) {
        const answer = await ask(url, { body });
        expect(answer).toMatchObject({ status: 503, json: { reason: 'fenced' } });
        expect(answer.headers['retry-after']).toBe('5');
      }
      expect((await ask(`${api.url}/api/videos/1`)).status).toBe(200);
      expect((await ask(`${api.url}/health`)).status).toBe(200);
    } finally {
      await host.unfence();
    }
    for (const [url, body] of writes) expect((await ask(url, { body })).status).toBeLessThan(300);
  });

  test('ended sessions are survived', async () => {
    const api = await start('api');
    const charge = (ref: string) => ask(`${api.url}/api/charges`, { body: { user: 1, cents: 5, ref } });
    expect((await charge('before')).status).toBe(201);
    await host.terminate('video_blue');
    expect((await charge('after')).status).toBe(201);
    expect(api.process.exitCode).toBeNull();
  });

  test('SIGTERM ends it with 0, also while a keep-alive connection is open', async () => {
    const api = await fresh('api');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      expect((await ask(`${api.url}/api/videos/1`, { agent })).headers['connection']).toBe('keep-alive');
      const exited = api.terminate();
      // the open connection still works, and is told that it was the last time
      await until('the last answer', async () => {
        const answer = await ask(`${api.url}/api/videos/1`, { agent });
        expect(answer.status).toBe(200);
        return answer.headers['connection'] === 'close';
      });
      expect(await exited).toBe(0);
    } finally {
      agent.destroy();
    }
  });
});

test('a release in front of the other form of the database says so and stays healthy', async () => {
  const player = await host.application('2.0.0', 'player', 'form1');
  expect(await ask(`${player.url}/watch/1`)).toMatchObject({ status: 503, json: { reason: 'schema' } });
  expect((await ask(`${player.url}/health`)).status).toBe(200);
});

test('without a database the applications start, are healthy and say what is missing', async () => {
  const api = await host.application('1.0.0', 'api', 'form1', { DATABASE_URL: '' });
  expect((await ask(`${api.url}/health`)).status).toBe(200);
  expect((await ask(`${api.url}/api/release`)).status).toBe(200);
  expect(await ask(`${api.url}/api/videos`)).toMatchObject({ status: 503, json: { error: 'DATABASE_URL is not set' } });
});

test('a write that waits for a lock is given up within seconds, and was not made', async () => {
  const api = await host.application('1.0.0', 'api', 'form1');
  const lock = host.query('form1', `begin; lock table charges; select pg_sleep(1.6); commit`);
  await until('the lock', async () => {
    const [row] = await host.query<{ held: boolean }>(
      'form1',
      `select exists (select from pg_locks where relation = 'charges'::regclass and mode = 'AccessExclusiveLock' and granted) as held`,
    );
    return row?.held ?? false;
  });
  const answer = await ask(`${api.url}/api/charges`, { body: { user: 1, cents: 5, ref: 'locked' } });
  expect(answer).toMatchObject({ status: 503, json: { reason: 'busy' } });
  expect((await ask(`${api.url}/health`)).status).toBe(200);
  await lock;
  expect(await host.query('form1', `select from charges where ref = 'locked'`)).toEqual([]);
});

test('a restart of the database costs refusals, not the process', async () => {
  const api = await host.application('1.0.0', 'api', 'form1');
  const charge = (ref: string) => ask(`${api.url}/api/charges`, { body: { user: 1, cents: 5, ref } });
  expect((await charge('restart-0')).status).toBe(201);
  let restarting = true;
  const restarted = host.server.restart().finally(() => {
    restarting = false;
  });
  const seen: [string, number][] = [];
  while (restarting || seen.at(-1)?.[1] !== 201) {
    const ref = `restart-${seen.length + 1}`;
    seen.push([ref, (await charge(ref)).status]);
  }
  await restarted;
  expect(seen.at(-1)?.[1]).toBe(201);
  const rows = await host.query<{ ref: string }>('form1', `select ref from charges where ref like 'restart-%'`);
  const there = rows.map((row) => row.ref).sort();
  const acknowledged = seen.filter(([, status]) => status === 201).map(([ref]) => ref);
  const unknown = new Set(seen.filter(([, status]) => status === 504).map(([ref]) => ref));
  expect(there.filter((ref) => !unknown.has(ref))).toEqual(['restart-0', ...acknowledged].sort());
  expect([...new Set(seen.map(([, status]) => status))].filter((status) => ![201, 503, 504].includes(status))).toEqual([]);
});

test('the player plays on through a restart of the database', async () => {
  const player = await host.application('1.0.0', 'player', 'form1');
  await ask(`${player.url}/watch/1`);
  let restarting = true;
  const restarted = host.server.restart().finally(() => {
    restarting = false;
  });
  const seen: number[] = [];
  while (restarting) seen.push((await ask(`${player.url}/watch/${1 + (seen.length % 300)}`)).status);
  await restarted;
  seen.push((await ask(`${player.url}/watch/1`)).status);
  expect(new Set(seen)).toEqual(new Set([200]));
});

test('SIGTERM under load: every answered charge is there, and nothing that began is cut off', async () => {
  const api = await host.application('1.0.0', 'api', 'form1');
  const agent = new Agent({ keepAlive: true });
  const acknowledged: string[] = [];
  const broken: string[] = [];
  let ended = false;
  const customer = async (name: number) => {
    for (let n = 0; !ended; n++) {
      const ref = `term-${name}-${n}`;
      try {
        const { status } = await ask(`${api.url}/api/charges`, { body: { user: 1, cents: 5, ref }, agent });
        if (status === 201) acknowledged.push(ref);
        else broken.push(`${ref}: ${status}`);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        // no connection was made, so nothing was asked: what a balancer sends elsewhere
        if (code === 'ECONNREFUSED') return;
        broken.push(`${ref}: ${code}`);
      }
    }
  };
  const customers = Array.from({ length: 8 }, (_, i) => customer(i));
  await until('some load', () => acknowledged.length > 100);
  expect(await api.terminate()).toBe(0);
  ended = true;
  await Promise.all(customers);
  agent.destroy();
  expect(broken).toEqual([]);
  const rows = await host.query<{ ref: string }>('form1', `select ref from charges where ref like 'term-%'`);
  expect(rows.map((row) => row.ref).sort()).toEqual(acknowledged.sort());
});

test('an unknown application is refused in one sentence', async () => {
  const program: Program = host.run('1.0.0', ['server.js', 'shop']);
  expect(await program.exited).toBe(2);
  expect(program.output).toMatch(/^unknown application "shop": start one of site, api, admin, player/);
});

test('a port in use is said in one sentence', async () => {
  const site = await host.application('1.0.0', 'site', 'form1');
  const second = host.run('1.0.0', ['server.js', 'site'], { PORT: new URL(site.url).port });
  expect(await second.exited).toBe(1);
  expect(second.output).toMatch(/^cannot start: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+\n$/);
});
