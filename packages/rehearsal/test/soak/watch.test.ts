/** What the soak watches, broken on purpose on a real sandbox: a watch that sees nothing would let every window pass. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { askFaults } from '../../../sandbox/lib/faults/ask';
import { sandboxForTest, type TestSandbox } from '../../../sandbox/test/_helpers/sandbox';
import { eventually } from '../../../sandbox/test/tiny';
import { Watch } from '../../lib/soak/invariants';

process.env['SWITCHBACK_POSTGRES_FSYNC'] = 'off';

const password = 'correct-horse';
const images = mkdtempSync(join(tmpdir(), 'switchback-watch-'));
let sandbox: TestSandbox;
let listener: string;
const groups: Record<string, string> = {};
const rules: Record<string, string> = {};

beforeAll(async () => {
  mkdirSync(join(images, 'worker', '1'), { recursive: true });
  sandbox = await sandboxForTest({ images, speed: 3000 });
  await Promise.all([databases(), balancer(), cluster()]);
  for (const part of ['shared', 'state', 'blue', 'green'] as const)
    await sandbox.call('ssm', 'PutParameter', { Name: `/switchback/video/${part}`, Type: 'String', Value: JSON.stringify(manifest(part)) });
  await secrets();
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(images, { recursive: true, force: true });
});

/** What one look or more saw; there is always one that begins after the call. */
async function seen(): Promise<readonly string[]> {
  const watch = new Watch(sandbox.env, 'video', 20);
  await eventually(() => watch.looked >= 2);
  return (await watch.stop()).problems;
}

test('a world that is as it should be has nothing to tell', async () => {
  expect(await seen()).toEqual([]);
});

test('a second database that the other color may write to', async () => {
  await master('fallback', 'GRANT INSERT ON charges TO green');
  expect(await seen()).toEqual([
    expect.stringMatching(/: (production and fallback|fallback and production) are open to writers at the same time$/),
  ]);
  await master('fallback', 'REVOKE INSERT ON charges FROM green');
});

test('a right that nobody has come for is no open database', async () => {
  await secret('green', 'production');
  await master('fallback', 'GRANT INSERT ON charges TO green');
  expect(await seen()).toEqual([]);
  const stale = await connect('fallback', 'green');
  expect(await seen()).toEqual([expect.stringContaining('are open to writers at the same time')]);
  await stale.end();
  await master('fallback', 'REVOKE INSERT ON charges FROM green');
  await secret('green', 'fallback');
});

test('rules of two colors in front at once', async () => {
  await sandbox.call('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: rules['green /api/*'], Priority: 1 }] });
  expect(await seen()).toEqual([expect.stringContaining('not exactly one color or maintenance is in front')]);
  await sandbox.call('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: rules['green /api/*'], Priority: 300 }] });
});

test('what stands in front is seen also while a database is down, and such a look is not counted', async () => {
  const fault = { kind: 'down', target: 'fallback' };
  await askFaults(sandbox.env, 'POST', '/now', fault);
  await sandbox.call('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: rules['green /api/*'], Priority: 1 }] });
  const { problems, looks } = await new Watch(sandbox.env, 'video').stop();
  expect(problems).toEqual([expect.stringContaining('not exactly one color or maintenance is in front')]);
  expect(looks).toBe(0);
  await sandbox.call('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: rules['green /api/*'], Priority: 300 }] });
  await sandbox.call('rds', 'RebootDBInstance', { DBInstanceIdentifier: 'fallback' });
  await eventually(async () => (await new Watch(sandbox.env, 'video').stop()).looks === 1);
});

test('two of a worker that may only run once, one of each color', async () => {
  const count = (service: string, desiredCount: number) =>
    sandbox.call('ecs', 'UpdateService', { cluster: 'video', service, desiredCount });
  const running = async () =>
    (await sandbox.call('ecs', 'ListTasks', { cluster: 'video', serviceName: 'green-clock' })).taskArns.length === 1;
  await count('green-clock', 1);
  await eventually(running);
  await eventually(async () => (await seen()).some((problem) => problem.includes('more than one clock runs: ')));
  await count('green-clock', 0);
});

const manifest = (part: 'shared' | 'state' | 'blue' | 'green'): object => {
  if (part === 'state') return { production: 'production', opened: true };
  if (part === 'shared')
    return {
      cluster: 'video',
      listeners: [{ arn: listener, firstPriority: 1 }],
      database: { name: 'video', masterSecret: 'master' },
      schedule: { group: 'video' },
      runner: 'runner',
    };
  return {
    stack: part,
    release: { version: '1' },
    database: { user: part, secret: part, openSecret: 'reader' },
    applications: [{ service: part, targetGroup: groups[part], proofPath: '/', open: false }],
    workers: [{ name: 'clock', service: `${part}-clock`, once: true, count: 1 }],
    migration: { taskDefinition: 'arn/migration:1' },
  };
};

async function databases(): Promise<void> {
  for (const id of ['production', 'fallback']) {
    await sandbox.call('rds', 'CreateDBInstance', {
      ...{ DBInstanceIdentifier: id, DBInstanceClass: 'db.t4g.micro', Engine: 'postgres', AllocatedStorage: 20, DBName: 'video' },
      ...{ MasterUsername: 'master', MasterUserPassword: password, BackupRetentionPeriod: 0 },
    });
  }
  for (const id of ['production', 'fallback']) {
    await eventually(async () => (await address(id)).Port !== undefined, 25);
    await master(
      id,
      `CREATE TABLE charges (n int); ${['blue', 'green', 'reader'].map((user) => `CREATE ROLE ${user} LOGIN PASSWORD '${password}'`).join('; ')}`,
    );
  }
  await master('production', 'GRANT INSERT ON charges TO blue');
}

async function address(id: string): Promise<{ Address?: string; Port?: number }> {
  const { DBInstances } = await sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id });
  return DBInstances[0].Endpoint ?? {};
}

async function connect(id: string, user: string): Promise<Client> {
  const { Address: host, Port: port } = await address(id);
  const client = new Client({ host: host ?? '', port: port ?? 0, user, password, database: 'video' });
  await client.connect();
  return client;
}

async function master(id: string, text: string): Promise<void> {
  const client = await connect(id, 'master');
  await client.query(text);
  await client.end();
}

async function secret(name: string, instance: string): Promise<void> {
  const { Port: port } = await address(instance);
  const SecretString = JSON.stringify({ username: name, password, host: '127.0.0.1', port });
  await sandbox.call('secretsmanager', 'PutSecretValue', { SecretId: name, SecretString });
}

async function secrets(): Promise<void> {
  for (const Name of ['blue', 'green', 'reader', 'master']) await sandbox.call('secretsmanager', 'CreateSecret', { Name });
  await secret('blue', 'production');
  await secret('green', 'fallback');
  await secret('reader', 'production');
}

async function balancer(): Promise<void> {
  const vpc = (await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' })).Vpc.VpcId;
  const subnets = await Promise.all(
    ['a', 'b'].map(async (zone, n) => {
      const input = { VpcId: vpc, CidrBlock: `10.0.${n}.0/24`, AvailabilityZone: `eu-central-1${zone}` };
      return (await sandbox.call('ec2', 'CreateSubnet', input)).Subnet.SubnetId as string;
    }),
  );
  const made = await sandbox.call('elbv2', 'CreateLoadBalancer', { Name: 'video', Subnets: subnets });
  const LoadBalancerArn = made.LoadBalancers[0].LoadBalancerArn;
  const fixed = { Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } };
  const listening = await sandbox.call('elbv2', 'CreateListener', { LoadBalancerArn, Protocol: 'HTTP', Port: 80, DefaultActions: [fixed] });
  listener = listening.Listeners[0].ListenerArn;
  for (const [color, first] of [
    ['blue', 100],
    ['green', 300],
  ] as const) {
    const group = await sandbox.call('elbv2', 'CreateTargetGroup', {
      Name: color,
      Protocol: 'HTTP',
      Port: 80,
      VpcId: vpc,
      TargetType: 'ip',
    });
    const TargetGroupArn = group.TargetGroups[0].TargetGroupArn;
    groups[color] = TargetGroupArn;
    for (const [n, path] of ['/api/*', '/*'].entries()) {
      const rule = await sandbox.call('elbv2', 'CreateRule', {
        ListenerArn: listener,
        Priority: first + n,
        Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: [path] } }],
        Actions: [{ Type: 'forward', TargetGroupArn }],
      });
      rules[`${color} ${path}`] = rule.Rules[0].RuleArn;
    }
  }
}

async function cluster(): Promise<void> {
  await sandbox.call('ecs', 'CreateCluster', { clusterName: 'video' });
  const container = { name: 'worker', image: 'worker:1', command: ['node', '-e', 'setInterval(() => {}, 1000)'] };
  const registered = await sandbox.call('ecs', 'RegisterTaskDefinition', {
    ...{ family: 'worker', networkMode: 'awsvpc', requiresCompatibilities: ['FARGATE'], cpu: '256', memory: '512' },
    containerDefinitions: [container],
  });
  for (const [color, desiredCount] of [
    ['blue', 1],
    ['green', 0],
  ] as const) {
    await sandbox.call('ecs', 'CreateService', {
      ...{ cluster: 'video', serviceName: `${color}-clock`, desiredCount },
      taskDefinition: registered.taskDefinition.taskDefinitionArn,
      networkConfiguration: { awsvpcConfiguration: { subnets: ['subnet-1'] } },
    });
  }
}
