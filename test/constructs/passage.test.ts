/** From the props to what a browser is answered: the stacks' own rules, made by their handler on the sandbox's load balancer. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runInNewContext } from 'node:vm';
import type { SwitchbackProps } from '../../lib';
import { arrangement } from '../../lib/constructs/handlers/arrangement';
import { handler } from '../../lib/constructs/handlers/rules.lambda';
import type { RulesProperties } from '../../lib/constructs/properties';
import { emergencyOf } from '../../lib/manifest/emergency';
import { colorPartSchema, sharedSchema } from '../../lib/manifest/schema';
import { ask } from '../../packages/sandbox/test/balancer-support';
import { eventually } from '../../packages/sandbox/test/tiny';
import { type Balancer, type Bench, startBench } from './handlers/balancer';
import { CloudFormation } from './handlers/cloudformation';
import { only, part, standard, system } from './system';

const passage = 'few-people-know-of-this';
const made = system({ maintenance: { passage } });
const kinds = (stack: Parameters<typeof only>[0]): string[] =>
  only(stack, 'Custom::SwitchbackRules').Properties.Rules.map(
    ({ Kind, Application }: { Kind: string; Application: string }) => `${Kind} ${Application}`,
  );

test('it is off unless a team turns it on: no rule, nothing in the manifest', () => {
  expect(kinds(standard().green!)).toEqual(['open player', 'key player', 'application site', 'key site']);
  expect(part(standard().green!)).not.toHaveProperty('passage');
});

test('it costs a rule for each application and one for the address, in each color, and none that a runbook knows', () => {
  expect(kinds(made.green!)).toEqual([
    ...['open player', 'key player', 'cookie player', 'application site', 'key site', 'cookie site'],
    'passage green',
  ]);
  expect(kinds(made.shared)).toEqual(kinds(standard().shared));
  // and the shared stack, which both colors use, does not change at all.
  expect(part(made.shared)).toEqual(part(standard().shared));
  const [blue, green] = [made.blue!, made.green!].map((stack) => colorPartSchema.parse(part(stack)));
  expect([blue!.passage, green!.passage]).toEqual([`/${passage}/blue`, `/${passage}/green`]);
  const before = { blue: colorPartSchema.parse(part(standard().blue!)), green: colorPartSchema.parse(part(standard().green!)) };
  expect([blue!.rules, green!.rules]).toEqual([before.blue.rules, before.green.rules]);
  const shared = sharedSchema.parse(part(made.shared));
  const window = { system: 'shop', name: 'w1', from: 'blue' as const };
  expect(emergencyOf({ shared, blue, green, fallbacks: {} }, window)).toEqual(emergencyOf({ shared, ...before, fallbacks: {} }, window));
});

test('the address is the name that customers use, where the stacks know it', () => {
  const named = { domainName: 'shop.example.com', certificate: { certificateArn: 'arn:aws:acm:eu-central-1:111122223333:certificate/1' } };
  const stack = system({ ...(named as unknown as Partial<SwitchbackProps>), maintenance: { passage } }).green!;
  expect(part(stack).passage).toBe(`https://shop.example.com/${passage}/green`);
});

describe('on a load balancer in maintenance', () => {
  let all: Bench;
  let bench: Balancer;
  let cloudFormation: CloudFormation;
  const servers: Server[] = [];
  const groups: Record<string, string> = {};

  beforeAll(async () => {
    [all, cloudFormation] = [await startBench(), await CloudFormation.of(handler)];
    bench = await all.balancer();
    for (const color of ['blue', 'green'] as const) {
      const server = createServer((_request, response) => response.end(color));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      servers.push(server);
      groups[color] = await bench.targetGroup(color);
      await all.sandbox.call('elbv2', 'RegisterTargets', {
        TargetGroupArn: groups[color],
        Targets: [{ Id: '127.0.0.1', Port: (server.address() as AddressInfo).port }],
      });
    }
    for (const name of ['shared', 'blue', 'green'] as const) {
      const { Status, Reason } = await cloudFormation.create(rulesOf(name));
      expect([Status, Reason]).toEqual(['SUCCESS', Reason]);
    }
    await eventually(async () => (await get('/', { 'x-switchback': 'green' })).body === 'green');
    await eventually(async () => (await get('/', { 'x-switchback': 'blue' })).body === 'blue');
  }, 60_000);
  afterAll(async () => {
    for (const server of servers) server.close();
    await cloudFormation.stop();
    await all.sandbox.stop();
  });

  const get = (path: string, headers: Record<string, string> = {}) => ask(bench.port, path, { headers });
  /** As the template has them, on this load balancer. */
  function rulesOf(name: 'shared' | 'blue' | 'green'): RulesProperties {
    const { Properties: properties } = only(made[name]!, 'Custom::SwitchbackRules');
    const rules = properties.Rules.map((rule: { TargetGroup?: unknown }) =>
      rule.TargetGroup ? { ...rule, TargetGroup: groups[name] } : rule,
    );
    const { System, Owner, FirstPriority } = properties;
    return { System, Owner, FirstPriority, Listener: bench.listener, LoadBalancer: bench.loadBalancer, Rules: rules };
  }
  /** A browser that opens the page: the cookies that it then has, and what it shows. */
  function open(page: string, where: { protocol?: string; search?: string } = {}, before = '', takes = true) {
    const jar = new Map<string, string>(before ? [before.split('=') as [string, string]] : []);
    const written: string[] = [];
    const shown = { textContent: '' };
    const document = {
      get cookie() {
        return [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      },
      set cookie(text: string) {
        written.push(text);
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(text)!;
        if (!takes) return;
        if (/max-age=0\b/.test(text)) jar.delete(name!);
        else jar.set(name!, value!);
      },
      getElementById: (id: string) => (id === 't' ? shown : null),
    };
    const location = { protocol: 'https:', search: '', host: 'shop.example.com', ...where };
    runInNewContext(/<script>([\s\S]*)<\/script>/.exec(page)![1]!, { document, location });
    return { written, cookie: document.cookie, shown: shown.textContent };
  }

  test('the address answers a page whose script sets the cookie, and says what the browser made of it', async () => {
    const { status, headers, body } = await get(`/${passage}/green`);
    expect([status, headers['content-type']]).toEqual([200, expect.stringContaining('text/html')]);
    expect(open(body)).toEqual({
      written: [`switchback-passage=green-${passage}; path=/; SameSite=Lax; max-age=86400; Secure`],
      cookie: `switchback-passage=green-${passage}`,
      shown: 'This browser sees green at shop.example.com for a day, also in maintenance.',
    });
    expect(open(body, { protocol: 'http:' }).written).toEqual([`switchback-passage=green-${passage}; path=/; SameSite=Lax; max-age=86400`]);
    expect(open(body, {}, '', false).shown).toBe('Nothing has changed: the browser refused the cookie.');
    // the other color's cookie that stays is no passage to this one.
    expect(open(body, {}, 'switchback-passage=blue-word', false).shown).toBe('Nothing has changed: the browser refused the cookie.');
    expect(open(body, { search: '?end' }, 'switchback-passage=blue')).toMatchObject({
      cookie: '',
      shown: 'This browser sees what customers see.',
    });
    expect((await get(`/${passage}/green?end`)).body).toBe(body);
  });

  test('with the cookie a browser is at its color, without it in maintenance; the word must be known', async () => {
    const cookie = (color: string, word = passage) => ({ cookie: `session=1; switchback-passage=${color}-${word}; theme=dark` });
    expect(await get('/')).toMatchObject({ status: 503 });
    expect(await get('/', { cookie: 'session=1' })).toMatchObject({ status: 503 });
    expect(await get('/', cookie('green', 'another-word-of-somebody'))).toMatchObject({ status: 503 });
    for (const color of ['blue', 'green']) {
      expect(await get('/orders', cookie(color))).toMatchObject({ status: 200, body: color });
      // of open paths too, which stand in front of maintenance for everybody.
      expect(await get('/watch/1', cookie(color))).toMatchObject({ status: 200, body: color });
    }
    expect(await get('/', { ...cookie('blue'), 'x-switchback': 'green' })).toMatchObject({ body: 'green' });
    // the other color's page is reached with a cookie, too.
    expect((await get(`/${passage}/green`, cookie('blue'))).body).toContain('<title>green</title>');
    expect((await get(`/${passage}/blue`, cookie('green'))).body).toContain('<title>blue</title>');
  });

  test('the guard tells the live color and maintenance as without it', async () => {
    const rules = (await bench.rules()).map((rule) => ({ priority: Number(rule.split(' ')[0]), ofPassage: rule.includes(passage) }));
    const told = (some: typeof rules) =>
      arrangement(
        some.map(({ priority }) => priority),
        1000,
      );
    expect(rules.filter(({ ofPassage }) => ofPassage)).toHaveLength(6);
    expect(told(rules)).toEqual({ live: 'blue', maintenance: true });
    expect(told(rules.filter(({ ofPassage }) => !ofPassage))).toEqual(told(rules));
    expect(told(rules.filter(({ ofPassage }) => ofPassage))).toEqual({ live: undefined, maintenance: undefined });
  });

  test('a deploy without it takes its rules away, and no other', async () => {
    const [before, { PhysicalResourceId }] = [await bench.rules(), await cloudFormation.create(rulesOf('green'))];
    const properties = rulesOf('green');
    const without = { ...properties, Rules: properties.Rules.filter(({ Kind }) => Kind !== 'cookie' && Kind !== 'passage') };
    expect((await cloudFormation.update(PhysicalResourceId, without)).Status).toBe('SUCCESS');
    expect(await bench.rules()).toEqual(before.filter((rule) => !/green-few|\/green$/.test(rule)));
    expect((await cloudFormation.update(PhysicalResourceId, properties)).Status).toBe('SUCCESS');
    expect(await bench.rules()).toEqual(before);
  });
});

test('with the longest word the page is not longer than a load balancer answers', () => {
  const stack = system({ maintenance: { passage: 'a'.repeat(64) } }).green!;
  const rules: { Kind: string; Response?: { Body: string }; Header?: { Value: string } }[] = only(stack, 'Custom::SwitchbackRules')
    .Properties.Rules;
  expect(rules.find(({ Kind }) => Kind === 'passage')!.Response!.Body.length).toBeLessThanOrEqual(1024);
  expect(rules.find(({ Kind }) => Kind === 'cookie')!.Header!.Value.length).toBeLessThanOrEqual(128);
});
