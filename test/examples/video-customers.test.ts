import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Customers, type CustomersOptions, type Outcome, startCustomers } from '../../examples/video/customers';
import { until } from './video';

const folder = mkdtempSync(join(tmpdir(), 'video-customers-'));
const servers: Server[] = [];
const running: Customers[] = [];
let files = 0;

afterEach(async () => {
  await Promise.all(running.splice(0).map((customers) => customers.stop()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Something that answers like the host's balancer, as the test wants it. */
async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function start(url: string, options: Partial<CustomersOptions> = {}) {
  const file = join(folder, `${files++}.jsonl`);
  const outcomes: Outcome[] = [];
  const customers = startCustomers({ url, rate: 100, file, onOutcome: (outcome) => outcomes.push(outcome), ...options });
  running.push(customers);
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Outcome);
  return { customers, outcomes, lines, file };
}

const only = (kind: Outcome['kind']) => ({ watch: 0, read: 0, charge: 0, play: 0, signup: 0, [kind]: 1 });
const ok: RequestListener = (request, response) => {
  request.resume();
  response.writeHead(200, { 'x-release': '1.0.0', 'x-color': 'blue' }).end('{}');
};

test('requests leave on schedule though nobody answers, and their time counts from when they were due', async () => {
  const arrivals: number[] = [];
  const answers: (() => void)[] = [];
  const url = await serving((_request, response) => {
    arrivals.push(Date.now());
    answers.push(() => response.end('{}'));
  });
  const { customers, outcomes } = start(url, { rate: 100, mix: only('watch') });
  // not one answer yet: a closed-loop generator would stand still after its first request
  await until('50 requests', () => arrivals.length >= 50);
  expect(outcomes).toEqual([]);
  const stopped = customers.stop();
  for (const answer of answers) answer();
  const summary = await stopped;
  expect(summary.requests).toBeGreaterThanOrEqual(50);
  const first = outcomes.find((outcome) => outcome.at === outcomes.map(({ at }) => at).sort()[0]);
  expect(first?.ms).toBeGreaterThanOrEqual((arrivals[49] ?? 0) - (arrivals[0] ?? 0) - 5);
});

test('a timer that is late sends all that was due, each with its own time', async () => {
  const url = await serving(ok);
  let now = 1_000_000;
  let tick = () => {};
  const clock = {
    now: () => now,
    after: (ms: number, action: () => void) => {
      if (ms < 1000) tick = action;
      return () => {};
    },
  };
  const { customers, outcomes } = start(url, { rate: 10, clock, mix: only('watch') });
  now += 500;
  tick();
  await until('six outcomes', () => outcomes.length === 6);
  expect(outcomes.map(({ at, ms }) => [Date.parse(at), ms]).sort(([a = 0], [b = 0]) => a - b)).toEqual(
    [0, 100, 200, 300, 400, 500].map((due) => [1_000_000 + due, 500 - due]),
  );
  expect((await customers.stop()).seconds).toBe(0.5);
});

test('every outcome is in the file before it is counted', async () => {
  const url = await serving(ok);
  const { customers, outcomes, lines, file } = start(url, {
    mix: only('charge'),
    onOutcome: (outcome) => {
      expect(readFileSync(file, 'utf8')).toContain(`"ref":"${outcome.ref}"`);
      outcomes.push(outcome);
    },
  });
  await until('20 outcomes', () => outcomes.length >= 20);
  const summary = await customers.stop();
  expect(lines()).toEqual(outcomes);
  expect(summary.writes.acknowledged).toBe(outcomes.length);
  expect(outcomes[0]).toEqual({
    at: expect.stringMatching(/^\d{4}-.*Z$/),
    kind: 'charge',
    path: '/api/charges',
    ref: expect.stringMatching(/^[0-9a-f]{8}-1$/),
    user: expect.any(Number),
    cents: expect.any(Number),
    status: 200,
    ms: expect.any(Number),
    release: '1.0.0',
    color: 'blue',
    write: 'acknowledged',
  });
});

test.each([
  ['201', 'acknowledged', 201],
  ['503', 'refused', 503],
  ['409', 'rejected', 409],
  ['500', 'unknown', 500],
  ['504', 'unknown', 504],
  ['a reset connection', 'unknown', 0],
] as const)('a write that ends with %s is %s', async (_what, expected, status) => {
  const url = await serving((request, response) => {
    request.resume();
    if (status === 0) request.socket.destroy();
    else response.writeHead(status).end('{}');
  });
  const { customers, outcomes } = start(url, { mix: only('play') });
  await until('five outcomes', () => outcomes.length >= 5);
  const summary = await customers.stop();
  expect(new Set(outcomes.map(({ write }) => write))).toEqual(new Set([expected]));
  expect(summary.writes[expected]).toBe(summary.requests);
});

test('a write without an answer in time is unknown', async () => {
  const url = await serving((request) => request.resume());
  const { customers, outcomes } = start(url, { mix: only('charge'), timeoutMs: 100 });
  await until('an outcome', () => outcomes.length >= 3);
  expect(outcomes[0]).toMatchObject({ status: 0, write: 'unknown', error: 'no answer within 100 ms' });
  await customers.stop();
});

test('a path that must never stop fails by any other answer than 200, and by a slow one', async () => {
  let n = 0;
  const url = await serving((_request, response) => {
    n += 1;
    if (n === 1) response.writeHead(503).end('maintenance');
    else if (n === 2) setTimeout(() => response.end('{}'), 2100);
    else response.end('{}');
  });
  const { customers, outcomes } = start(url, { rate: 50, mix: only('watch') });
  await until('the slow answer', () => outcomes.some(({ ms }) => ms > 2000));
  const { openPath, maintenance, requests } = await customers.stop();
  expect(openPath).toMatchObject({ requests, failures: 2, examples: [{ status: 503, error: 'maintenance' }, { status: 200 }] });
  expect(openPath.slowestMs).toBeGreaterThanOrEqual(2100);
  // it failed, but it is not what tells when the site was closed
  expect(maintenance).toEqual([]);
});

test('maintenance is seen from the first 503 to the first acknowledged write after it; the gap without writes and both releases too', async () => {
  let phase: 'before' | 'closed' | 'fenced' | 'after' = 'before';
  const url = await serving((request, response) => {
    request.resume();
    const headers = { 'x-release': phase === 'after' ? '2.0.0' : '1.0.0', 'x-color': phase === 'after' ? 'green' : 'blue' };
    if (request.url?.startsWith('/watch')) return response.writeHead(200, headers).end('{}');
    if (phase === 'closed') return response.writeHead(503).end('back soon');
    if (phase === 'fenced') return response.writeHead(503, headers).end('{}');
    return response.writeHead(201, headers).end('{}');
  });
  const { customers, outcomes } = start(url, { rate: 200 });
  const until10More = async () => {
    const count = outcomes.length + 20;
    await until('more outcomes', () => outcomes.length >= count);
  };
  for (const next of ['fenced', 'closed', 'after'] as const) {
    await until10More();
    phase = next;
  }
  await until10More();
  await until('a write again', () => customers.summary().maintenance[0]?.to !== undefined);
  const summary = await customers.stop();
  expect(summary.maintenance).toHaveLength(1);
  const [episode] = summary.maintenance;
  expect(episode?.seconds).toBeGreaterThan(0.1);
  expect(episode?.byBalancer).toBeGreaterThan(0);
  expect(episode?.byApplication).toBeGreaterThan(0);
  expect(summary.longestWriteGap.seconds).toBeGreaterThanOrEqual((episode?.seconds ?? 0) - 0.01);
  expect(summary.openPath.failures).toBe(0);
  expect(summary.releases.filter(({ paths }) => paths === 'other').map(({ release, color }) => `${release} ${color}`)).toEqual([
    '1.0.0 blue',
    '2.0.0 green',
  ]);
  expect(summary.releases.filter(({ paths }) => paths === 'open').map(({ release }) => release)).toEqual(['1.0.0', '2.0.0']);
});

test('the same random numbers ask for the same things', async () => {
  const url = await serving(ok);
  const asked = async () => {
    let state = 7;
    const random = () => {
      state = (state * 16807) % 2147483647;
      return state / 2147483647;
    };
    const { customers, lines } = start(url, { random, rate: 200, run: 'same' });
    await until('40 outcomes', () => customers.summary().requests >= 40);
    await customers.stop();
    return lines()
      .sort((a, b) => a.at.localeCompare(b.at))
      .slice(0, 40)
      .map(({ kind, path, ref, user, cents, video }) => ({ kind, path, ref, user, cents, video }));
  };
  const first = await asked();
  expect(await asked()).toEqual(first);
  expect(new Set(first.map(({ kind }) => kind)).size).toBeGreaterThan(2);
});

test('a rate or an address that cannot be is refused', () => {
  const file = join(folder, 'never');
  expect(() => startCustomers({ url: 'http://127.0.0.1:1', rate: 0, file })).toThrow('the rate must be above 0 requests per second, not 0');
  expect(() => startCustomers({ url: 'localhost 80', rate: 1, file })).toThrow('not "localhost 80"');
});
