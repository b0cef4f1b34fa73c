import { Duration } from 'aws-cdk-lib/core';
import type { ApplicationProps, SwitchbackProps, WorkerProps } from '../../lib';
import { Switchback } from '../../lib';
import { smallProps, system, testApp } from './system';

const site = { name: 'site', paths: ['/*'], proofPath: '/release' };
const application = (more: Partial<ApplicationProps>): Partial<SwitchbackProps> => ({ applications: [{ ...site, ...more }] });
const worker = (more: Partial<WorkerProps>): Partial<SwitchbackProps> => ({ workers: [{ name: 'queue', ...more }] });

test.each<[string, Partial<SwitchbackProps>, string]>([
  ['no applications', { applications: [] }, '1 to 50 applications, got 0'],
  ['a name RDS would refuse', { system: 'Film_Shop' }, "got 'Film_Shop'"],
  ['a name with two hyphens', { system: 'film--shop' }, "got 'film--shop'"],
  ['a name that leaves no room for others', { system: 'a'.repeat(31) }, 'at most 30'],
  ['two of one name', { ...application({}), ...worker({ name: 'site' }) }, "got 'site' twice"],
  ['no conditions', application({ paths: [] }), "application 'site' has no conditions"],
  [
    'more conditions than a rule takes',
    application({ paths: ['/a', '/b', '/c'], hosts: ['a', 'b'], proofPath: '/a' }),
    'has 5 paths and hosts, a rule takes 4',
  ],
  ['more wildcards than a rule takes', application({ paths: ['/*/*/*/*/*/*'], proofPath: '/a/b/c/d/e/f' }), '6 wildcards'],
  ['a path without a slash', application({ paths: ['api/*'], proofPath: '/api/release' }), "got 'api/*'"],
  [
    'a proof no rule leads to',
    application({ paths: ['/api/*'] }),
    "the proofPath '/release' of application 'site' is in none of its paths /api/*",
  ],
  ['a check of nothing', { checks: [{ application: 'shop', path: '/' }] }, "an application 'shop', there is: player, site"],
  ['a maintenance page the balancer cannot hold', { maintenance: { body: 'x'.repeat(1025) } }, 'has 1025 characters'],
  ['a maintenance type the balancer refuses', { maintenance: { contentType: 'text/markdown' } }, "got 'text/markdown'"],
  ['a maintenance status the balancer refuses', { maintenance: { status: 302 } }, 'got 302'],
  ['a window that is none', { window: 0 }, 'got 0'],
  ['a window that is half', { window: 1.5 }, 'got 1.5'],
  ['two of an only-once worker', worker({ once: true, count: 2 }), "worker 'queue' may run only once, got a count of 2"],
  ['scaling of an only-once worker', worker({ once: true, scaling: { min: 1, max: 2 } }), 'cannot have scaling'],
  ['scaling upside down', worker({ scaling: { min: 3, max: 2 } }), 'scales between 3 and 2'],
  ['a worker that never runs', worker({ count: 0 }), 'got 0'],
  ['a stop Fargate would not wait for', worker({ stopTimeout: Duration.minutes(5) }), 'got 300'],
  ['a listener without its load balancer', { listener: {} as never }, 'given together'],
  ['a certificate without a name', { certificate: {} as never }, 'give `domainName` too'],
  ['priorities past the end', { firstPriority: 49_500 }, 'got 49500'],
  ['an instance without its secret', { database: { instance: {} as never } }, 'masterSecret are given together'],
  ['a database without backups', { database: { backupRetention: Duration.days(0) } }, 'at least a day'],
  ['a release without a commit', { green: { version: '2.0.0', commit: '' } }, 'release of green'],
])('fails for %s', (_, props, message) => {
  expect(() => system(props)).toThrow(message);
});

test('the system is named by its id, unless it has another name', () => {
  expect(new Switchback(testApp(), 'shop', smallProps).system).toBe('shop');
  const made = new Switchback(testApp(), 'anything', { ...smallProps, system: 'film-shop' });
  expect(made.shared.stackName).toBe('film-shop-shared');
  expect(made.fallback?.instance).toBe('film-shop-fallback-w1');
});
