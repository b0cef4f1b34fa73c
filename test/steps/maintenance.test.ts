/** The maintenance page is on when customers see it, not when AWS has taken the order: a balancer in the test decides what they see. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Aws } from '../../lib/aws';
import type { Context } from '../../lib/engine/context';
import type { Manifest } from '../../lib/manifest/schema';
import { maintenanceSeen } from '../../lib/steps/maintenance';
import { manifest as plain } from '../_helpers/runbook';

const page = { status: 503, body: 'We are updating.' };
/** What is answered, by path. */
const answers: Record<string, { status: number; body: string }> = {};
let balancer: Server;
let asked: string[] = [];

beforeAll(async () => {
  balancer = createServer(({ url, headers }, response) => {
    asked.push(`${headers.host}${url}`);
    const { status, body } = answers[url ?? ''] ?? page;
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void balancer.close());
beforeEach(() => {
  asked = [];
  for (const path of Object.keys(answers)) delete answers[path];
});

const application = (name: string, more: object = {}) => ({
  ...{ name, service: name, targetGroup: name, open: false, proofPath: `/${name}/proof` },
  ...more,
});
const rule = { arn: 'rule', listener: 'listener', application: 'api', kind: 'maintenance' as const, slot: 0 };

function seen(applications = [application('api'), application('shop', { host: 'shop.test' })], maintenanceRules = [rule]) {
  const manifest: Manifest = {
    ...plain,
    shared: { ...plain.shared, maintenanceRules },
    blue: { ...plain.blue!, applications },
  };
  const { port } = balancer.address() as AddressInfo;
  const traffic = {
    maintenanceAnswer: async (arn: string) => (arn === rule.arn ? page : undefined),
    frontDoors: async () => [{ host: '127.0.0.1', port, tls: false }],
  };
  return maintenanceSeen().observe({ aws: { traffic } as unknown as Aws, manifest } as Context);
}

test('it is waited for while one application still answers by itself, and that one is named', async () => {
  answers['/shop/proof'] = { status: 200, body: 'ok' };
  expect(await seen()).toEqual({
    is: 'pending',
    detail: expect.stringMatching(/^shop at 127\.0\.0\.1:\d+\/shop\/proof answered 200, not yet the maintenance page$/),
  });
});

test('it is done when every closed application shows the page, asked as its customers ask', async () => {
  expect(await seen()).toEqual({ is: 'done' });
  expect(asked).toEqual([expect.stringMatching(/^127\.0\.0\.1(:\d+)?\/api\/proof$/), 'shop.test/shop/proof']);
});

test('an application that is out of order with the status of the page is not taken for it', async () => {
  answers['/api/proof'] = { status: 503, body: 'Service Unavailable' };
  expect(await seen()).toMatchObject({ is: 'pending', detail: expect.stringContaining('answered 503') });
});

test('open applications go on serving, and a system of nothing but those has no page to wait for', async () => {
  answers['/read/proof'] = { status: 200, body: 'ok' };
  expect(await seen([application('api'), application('read', { open: true })])).toEqual({ is: 'done' });
  expect(await seen([application('read', { open: true })], [])).toEqual({ is: 'done' });
});
