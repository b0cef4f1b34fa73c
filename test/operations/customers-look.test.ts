/** A look at what customers see: an address asked as they ask, from wherever it is asked. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Aws } from '../../lib/aws';
import { lookAsCustomer } from '../../lib/operations/customers-look';
import { manifest } from '../_helpers/runbook';

let server: Server;
let port: number;
let answer: { status: number; headers?: Record<string, string> } | undefined;
const asked: object[] = [];
beforeAll(async () => {
  server = createServer(({ url, headers }, response) => {
    asked.push({ url, key: headers['x-key'] });
    // nobody answers: the look has its own limit.
    if (answer) response.writeHead(answer.status, answer.headers).end('hello');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => void asked.splice(0));

const aws = (more: object = {}) =>
  ({
    traffic: {
      order: async () => new Map([['rule-maintenance', 49_000]]),
      frontDoors: async () => [{ host: '127.0.0.1', port, tls: false }],
    },
    emergency: { read: async () => ({ used: { at: '2026-11-21T02:00:00.000Z', by: 'bob@phone', reason: 'down' } }) },
    ...more,
  }) as unknown as Pick<Aws, 'traffic' | 'emergency'>;

test('it asks as customers do, without the key of a color, and says what was answered', async () => {
  answer = { status: 200, headers: { 'x-release': '1.0.0', 'x-commit': 'commit-1.0.0' } };
  expect(await lookAsCustomer(aws(), manifest, 7)).toMatchObject({
    at: 7,
    where: `http://127.0.0.1:${port}/release`,
    answer: { status: 200, release: '1.0.0', commit: 'commit-1.0.0' },
    emergency: { at: '2026-11-21T02:00:00.000Z', by: 'bob@phone' },
  });
  expect(asked).toEqual([{ url: '/release', key: undefined }]);
});

test('the maintenance answer has no release', async () => {
  answer = { status: 503 };
  expect((await lookAsCustomer(aws(), manifest, 7)).answer).toEqual({ status: 503, release: undefined, commit: undefined });
});

test('an address that never answers keeps no screen waiting', async () => {
  answer = undefined;
  const from = performance.now();
  const seen = await lookAsCustomer(aws(), manifest, 7);
  expect(seen).toMatchObject({ failed: 'no answer within 1.5 seconds' });
  expect(seen).not.toHaveProperty('answer');
  expect(performance.now() - from).toBeLessThan(5000);
});

test('a parameter that cannot be read takes nothing away from what was answered', async () => {
  answer = { status: 503 };
  const emergency = { read: async () => Promise.reject(new Error('denied')) };
  expect(await lookAsCustomer(aws({ emergency }), manifest, 7)).not.toHaveProperty('emergency');
});
