import { Duration, Lazy } from 'aws-cdk-lib/core';
import type { ApplicationProps, SwitchbackProps, WorkerProps } from '../../lib';
import { Switchback } from '../../lib';
import { smallProps, system, testApp, v1 } from './system';

const site = { name: 'site', paths: ['/*'], proofPath: '/release' };
const application = (more: Partial<ApplicationProps>): Partial<SwitchbackProps> => ({ applications: [{ ...site, ...more }] });
const worker = (more: Partial<WorkerProps>): Partial<SwitchbackProps> => ({ workers: [{ name: 'queue', ...more }] });
const passage = 'few-people-know-of-this';
const many = (count: number, open = false): Partial<SwitchbackProps> => ({
  applications: Array.from({ length: count }, (_, i) => ({ name: `app${i}`, paths: [`/app${i}`], proofPath: `/app${i}`, open })),
});

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
  ['a passage that is soon guessed', { maintenance: { passage: 'open-sesame' } }, '20 to 64 lower-case letters, digits and hyphens'],
  ['a passage that is no path', { maintenance: { passage: 'Open Sesame, open Sesame' } }, "got 'Open Sesame, open Sesame'"],
  [
    'a passage with more wildcards than a rule takes',
    { ...application({ paths: ['/*/*/*/*'], proofPath: '/a/b/c/d' }), maintenance: { passage } },
    "'site' has 4 wildcards in its conditions: with `maintenance.passage` it has 3",
  ],
  ['a passage with more rules than a load balancer takes', { ...many(15), maintenance: { passage } }, 'two colors have 107 rules'],
  ['a passage with more applications than find room', { ...many(17, true), maintenance: { passage } }, 'at most 16 applications, got 17'],
  [
    'an accepted loss that is no id',
    { migration: { expand: ['m'], acceptedLosses: ['public.users.nickname'] } },
    "like 'public.users.nickname:dropped', got 'public.users.nickname'",
  ],
  ['an accepted loss that is two', { migration: { expand: ['m'], acceptedLosses: ['public.a:dropped public.b:dropped', ' '] } }, "got ' '"],
  [
    'a loss accepted twice',
    { migration: { expand: ['m'], acceptedLosses: ['public.a:dropped', 'public.a:dropped'] } },
    "has 'public.a:dropped' twice",
  ],
  ['deleted rows of a table without its schema', { migration: { expand: ['m'], bridges: { deleted: { users: 'ship' } } } }, "got 'users'"],
  [
    'deleted rows of which something else becomes',
    { migration: { expand: ['m'], bridges: { deleted: { 'public.users': 'drop' as never } } } },
    "got 'drop'",
  ],
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
  [
    'a catch-all first',
    { applications: [site, { name: 'api', paths: ['/api/*'], proofPath: '/api/release' }] },
    "the path '/api/*' of application 'api' is never reached: 'site' stands before it and takes it; put 'site' behind 'api' in `applications`",
  ],
  [
    'an open application behind a catch-all: by the routing key it is never reached',
    { applications: [site, { name: 'player', paths: ['/watch/*'], proofPath: '/watch/release', open: true }] },
    "the path '/watch/*' of application 'player' is never reached",
  ],
  [
    'a narrower pattern behind a wider one',
    {
      applications: [
        { name: 'api', paths: ['/api/*'], proofPath: '/api/release' },
        { name: 'admin', paths: ['/admin/*', '/api/v?/*'], proofPath: '/admin/release' },
      ],
    },
    "the path '/api/v?/*' of application 'admin' is never reached: 'api' stands before it",
  ],
  [
    'two applications with the same paths',
    { applications: [site, { ...site, name: 'shop' }] },
    "applications 'shop' and 'site' have the same `paths` and `hosts`",
  ],
  [
    'a proof that another application answers',
    {
      applications: [
        { name: 'api', paths: ['/api/*'], proofPath: '/api/release' },
        { ...site, proofPath: '/api/release' },
      ],
    },
    "the proofPath '/api/release' of application 'site' is answered by 'api'",
  ],
  ['an empty path', application({ paths: ['/*', ''] }), "a path or host of application 'site' is empty"],
  ['no tasks', application({ desiredCount: 0 }), "the `desiredCount` of application 'site' is 1 or more, got 0"],
  ['half a task', application({ desiredCount: 1.5 }), 'got 1.5'],
  ['a port that is none', application({ port: Number.NaN }), "the `port` of application 'site' is 1 to 65535, got NaN"],
  ['an empty command', application({ command: [] }), '`command` of application `site` has a word that is empty, or none: got []'],
  [
    'a check outside its application',
    { checks: [{ application: 'site', path: '/watch/1' }] },
    "the check of '/watch/1' is for application 'site', and 'player' answers there",
  ],
  [
    'a check where its application has no path',
    { checks: [{ application: 'player', path: '/' }] },
    "the check of '/' is for application 'player', and 'site' answers there",
  ],
  ['a check of no path', { checks: [{ application: 'site', path: 'search' }] }, "a check starts with '/', got 'search'"],
  [
    'a check for no status',
    { checks: [{ application: 'site', path: '/', status: 0 }] },
    "`status` of the check of '/' is 100 to 599, got 0",
  ],
  ['a check for no text', { checks: [{ application: 'site', path: '/', contains: '' }] }, '`contains` of the check'],
  [
    'a check twice',
    {
      checks: [
        { application: 'site', path: '/' },
        { application: 'site', path: '/' },
      ],
    },
    'stands there twice',
  ],
  ['an empty landing test', { landingTests: ['Sign in', ' '] }, 'landingTests[1] is empty'],
  ['a landing test twice', { landingTests: ['Sign in', 'Sign in'] }, "landingTests[1] stands there twice: 'Sign in'"],
  ['two equal releases', { blue: v1, green: v1 }, '`blue` and `green` are the same release, 1.0.0 (aaaa111)'],
  ['a hold of no time', { hold: Duration.seconds(0), watch: Duration.seconds(0) }, '`hold` is between 1 and 31536000 seconds, got 0'],
  ['a hold that is no time', { hold: Duration.seconds(Number.NaN) }, '`hold` is between 1 and 31536000 seconds, got NaN'],
  ['a watch longer than the hold', { hold: Duration.minutes(30) }, '`watch` is longer than `hold`: 3600 s (its default) and 1800 s'],
  ['a watch that never ends', { watch: Duration.days(400) }, '`watch` is between 0 and 31536000 seconds'],
  [
    'a delay that the balancer refuses',
    application({ deregistrationDelay: Duration.hours(2) }),
    '`deregistrationDelay` of application `site`',
  ],
  ['no migrations', { migration: { expand: [] } }, '`migration.expand` has a word that is empty, or none: got []'],
  ['a release without a commit', { green: { version: '2.0.0', commit: '' } }, 'release of green'],
])('fails for %s', (_, props, message) => {
  expect(() => system(props)).toThrow(message);
});

test.each<[string, Partial<SwitchbackProps>]>([
  [
    'hosts that are apart',
    {
      applications: [
        { ...site, hosts: ['www.shop.example'] },
        { ...site, name: 'api', hosts: ['API.shop.example'] },
      ],
    },
  ],
  [
    'paths that overlap and are both reached',
    {
      applications: [
        { name: 'api', paths: ['/a*'], proofPath: '/api' },
        { name: 'shop', paths: ['/*z'], proofPath: '/shopz' },
      ],
    },
  ],
  ['a check with a query', { checks: [{ application: 'player', path: '/watch/1?t=/x' }] }],
  ['a watch of no time', { watch: Duration.seconds(0) }],
  ['times that only a deploy knows', { hold: Duration.seconds(Lazy.number({ produce: () => 5 })) }],
])('takes %s', (_, props) => {
  expect(() => system(props)).not.toThrow();
});

test('the system is named by its id, unless it has another name', () => {
  expect(new Switchback(testApp(), 'shop', smallProps).system).toBe('shop');
  const made = new Switchback(testApp(), 'anything', { ...smallProps, system: 'film-shop' });
  expect(made.shared.stackName).toBe('film-shop-shared');
  expect(made.fallback?.instance).toBe('film-shop-fallback-w1');
});
