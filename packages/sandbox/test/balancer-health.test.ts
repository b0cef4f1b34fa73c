import { ask, Bench, path, to } from './balancer-support';
import { eventually } from './tiny';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start();
});
afterEach(() => bench.stop());

test('a target group in no rule is unused and not checked; in a rule it is checked and becomes healthy', async () => {
  let checks = 0;
  const group = await bench.group('app', { HealthCheckPath: '/alive' });
  const target = await bench.target((_incoming, response) => {
    checks++;
    response.end();
  });
  await bench.register(group, target.port);
  expect(await bench.health(group)).toEqual([expect.objectContaining({ State: 'unused', Reason: 'Target.NotInUse' })]);
  const rule = await bench.rule(1, [path('/*')], to(group));
  expect(checks).toBe(0);
  await eventually(async () => (await bench.states(group)) === 'healthy');
  await bench.call('DeleteRule', { RuleArn: rule });
  await eventually(async () => (await bench.states(group)) === 'unused');
});

test('a target goes through initial and unhealthy, each with its reason, and needs the threshold to come back', async () => {
  let status = 500;
  let checks = 0;
  const group = await bench.group('app', { HealthCheckPath: '/alive', HealthyThresholdCount: 3, Matcher: { HttpCode: '200-201' } });
  await bench.rule(1, [path('/*')], to(group));
  const target = await bench.target((_incoming, response) => {
    checks++;
    response.writeHead(status).end();
  });
  await bench.register(group, target.port);
  expect(await bench.health(group)).toEqual([expect.objectContaining({ State: 'initial' })]);
  await eventually(async () => (await bench.states(group)) === 'unhealthy');
  expect((await bench.health(group))[0]).toMatchObject({
    Reason: 'Target.ResponseCodeMismatch',
    Description: 'Health checks failed with these codes: [500]',
  });
  const before = checks;
  status = 201;
  await eventually(async () => (await bench.states(group)) === 'healthy');
  expect(checks - before).toBeGreaterThanOrEqual(3);
  await target.stop();
  await eventually(async () => (await bench.health(group))[0]?.Reason === 'Target.FailedHealthChecks');
});

test('a check that is not answered within a real second fails with a timeout', async () => {
  const group = await bench.group('app', { HealthCheckPath: '/alive' });
  await bench.rule(1, [path('/*')], to(group));
  await bench.register(group, (await bench.target(() => undefined)).port);
  await eventually(async () => (await bench.health(group))[0]?.Reason === 'Target.Timeout');
});

// at a high speed the questions whose answers are known were a quarter of what the machine did.
test('a target that stays healthy is asked twice a second at most, and is still found out when it fails', async () => {
  let checks = 0;
  let status = 200;
  const group = await bench.group('app', { HealthCheckPath: '/alive' });
  await bench.rule(1, [path('/*')], to(group));
  const target = await bench.target((_incoming, response) => {
    checks++;
    response.writeHead(status).end();
  });
  await bench.register(group, target.port);
  await eventually(async () => (await bench.states(group)) === 'healthy');
  const [before, from] = [checks, performance.now()];
  await eventually(() => checks >= before + 4);
  expect(performance.now() - from).toBeGreaterThan(1400);
  status = 500;
  await eventually(async () => (await bench.states(group)) === 'unhealthy');
});

test('requests go to healthy targets only, and to all of them when none is healthy', async () => {
  const group = await bench.group('app', { HealthCheckPath: '/alive' });
  await bench.rule(1, [path('/*')], to(group));
  await bench.landed();
  const well = { a: true, b: true };
  for (const name of ['a', 'b'] as const) {
    const target = await bench.target((incoming, response) => {
      response.writeHead(incoming.url === '/alive' && !well[name] ? 500 : 200).end(name);
    });
    await bench.register(group, target.port);
  }
  const answers = async (): Promise<string> => {
    const seen = new Set<string>();
    for (let index = 0; index < 6; index++) seen.add((await ask(bench.port)).body);
    return [...seen].sort().join();
  };
  await eventually(async () => (await bench.states(group)) === 'healthy healthy');
  expect(await answers()).toBe('a,b');
  well.a = false;
  await eventually(async () => (await bench.states(group)) === 'unhealthy healthy');
  expect(await answers()).toBe('b');
  well.b = false;
  await eventually(async () => (await bench.states(group)) === 'unhealthy unhealthy');
  expect(await answers()).toBe('a,b');
});

test('a deregistered target drains: it finishes what it has and gets nothing new until the delay is over', async () => {
  const group = await bench.group('app');
  await bench.call('ModifyTargetGroupAttributes', {
    TargetGroupArn: group,
    Attributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '60' }],
  });
  await bench.rule(1, [path('/*')], to(group));
  await bench.landed();
  let release: (() => void) | undefined;
  const leaving = await bench.target((incoming, response) => {
    if (incoming.url === '/slow') release = () => response.end('finished');
    else response.end('leaving');
  });
  const staying = await bench.target((_incoming, response) => void response.end('staying'));
  await bench.register(group, leaving.port);
  await eventually(async () => (await bench.states(group)) === 'healthy');
  const slow = ask(bench.port, '/slow');
  await eventually(() => release);
  await bench.register(group, staying.port);
  await eventually(async () => (await bench.states(group)) === 'healthy healthy');
  await bench.call('DeregisterTargets', { TargetGroupArn: group, Targets: [{ Id: '127.0.0.1', Port: leaving.port }] });
  expect(await bench.health(group)).toEqual([
    expect.objectContaining({ State: 'draining', Reason: 'Target.DeregistrationInProgress' }),
    expect.objectContaining({ State: 'healthy' }),
  ]);
  for (let index = 0; index < 4; index++) expect((await ask(bench.port)).body).toBe('staying');
  release!();
  expect((await slow).body).toBe('finished');
  await eventually(async () => (await bench.states(group)) === 'healthy');
  const gone = await bench.call('DescribeTargetHealth', { TargetGroupArn: group, Targets: [{ Id: '127.0.0.1', Port: leaving.port }] });
  expect(gone.TargetHealthDescriptions[0].TargetHealth).toMatchObject({ State: 'unused', Reason: 'Target.NotRegistered' });
});
