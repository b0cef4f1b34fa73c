/** What the runner may do is what lib/aws calls: a call without a right fails at night, in AWS only. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Json, part, resources, standard, system } from './system';

const folder = join(__dirname, '../../lib/aws');
/** What only handlers of custom resources use, which have roles of their own. */
const ofHandlers = ['rules.ts', 'worker-services.ts', 'color-database.ts'];
/** What terminals ask: the runner itself neither asks who it is nor invokes itself. */
const ofTerminals = ['lambda:InvokeFunction', 'sts:GetCallerIdentity'];

const prefixes: Record<string, string> = {
  'application-auto-scaling': 'application-autoscaling',
  cloudformation: 'cloudformation',
  'cloudwatch-logs': 'logs',
  ecs: 'ecs',
  'elastic-load-balancing-v2': 'elasticloadbalancing',
  lambda: 'lambda',
  rds: 'rds',
  s3: 's3',
  scheduler: 'scheduler',
  'secrets-manager': 'secretsmanager',
  ssm: 'ssm',
  sts: 'sts',
};
const others: Record<string, string> = { 'lambda:Invoke': 'lambda:InvokeFunction', 's3:ListObjectsV2': 's3:ListBucket' };

/** `rds:CreateDBSnapshot` for each command that a file imports. */
function calls(file: string): string[] {
  const text = readFileSync(join(folder, file), 'utf8');
  return [...text.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-([a-z0-9-]+)'/g)].flatMap(([, names = '', client = '']) =>
    [...names.matchAll(/([A-Za-z0-9]+)Command\b(?!Input|Output)/g)].map(([, name]) => {
      const call = `${prefixes[client]}:${name}`;
      return others[call] ?? call;
    }),
  );
}

const policies = Object.values({
  ...resources(standard().shared, 'AWS::IAM::Policy'),
  ...resources(standard().green!, 'AWS::IAM::Policy'),
});
const granted = policies
  .filter((policy: Json) => JSON.stringify(policy.Properties.Roles).includes('Runner'))
  .flatMap((policy: Json) => policy.Properties.PolicyDocument.Statement as Json[]);

const needed = [
  ...new Set(
    readdirSync(folder)
      .filter((file) => !ofHandlers.includes(file))
      .flatMap(calls),
  ),
].filter((call) => !ofTerminals.includes(call));

test('every call is known to some service', () => {
  expect(needed.length).toBeGreaterThan(25);
  expect(needed.filter((call) => call.startsWith('undefined'))).toEqual([]);
});

test.each(needed)('the runner may %s', (call) => {
  expect(granted.flatMap(({ Action }) => Action)).toContain(call);
});

test('the runner deletes no instance and no snapshot but those of a trial', () => {
  const deleting = granted.filter(({ Action }) => [Action].flat().some((action: string) => action.startsWith('rds:Delete')));
  expect(deleting.map(({ Action }) => Action)).toEqual([['rds:DeleteDBInstance', 'rds:DeleteDBSnapshot']]);
  expect(JSON.stringify(deleting.map(({ Resource }) => Resource)).match(/:(db|snapshot):[^"]*/g)).toEqual([
    ':db:shop-*-trial',
    ':snapshot:shop-*-trial',
  ]);
});

test('roles are passed to tasks and to schedules, and to nothing else', () => {
  const passing = granted.filter(({ Action }) => Action === 'iam:PassRole');
  expect(passing.map(({ Condition }) => Condition.StringEquals['iam:PassedToService']).sort()).toEqual([
    'ecs-tasks.amazonaws.com',
    'scheduler.amazonaws.com',
  ]);
});

describe('the place of a trial', () => {
  test('lets migrations, the runner and itself in, and nothing out but to itself', () => {
    const groups = Object.entries(resources(standard().shared, 'AWS::EC2::SecurityGroup'));
    const [id, group] = groups.find(([, one]) => one.Properties.GroupDescription === 'Copies of production: no way out')!;
    expect(group.Properties.SecurityGroupEgress).toEqual([
      expect.objectContaining({ CidrIp: '255.255.255.255/32', Description: 'Disallow all traffic' }),
    ]);
    const ingress = Object.values(resources(standard().shared, 'AWS::EC2::SecurityGroupIngress')).filter(({ Properties }) =>
      JSON.stringify(Properties.GroupId).includes(id),
    );
    expect(
      ingress.map(({ Properties }) => [
        Properties.FromPort,
        Properties.ToPort,
        JSON.stringify(Properties.SourceSecurityGroupId).includes(id),
      ]),
    ).toEqual([
      [5432, 5432, true],
      [5432, 5432, false],
      [5432, 5432, false],
    ]);
    const egress = Object.values(resources(standard().shared, 'AWS::EC2::SecurityGroupEgress')).filter(({ Properties }) =>
      JSON.stringify(Properties.GroupId).includes(id),
    );
    expect(
      egress.map(({ Properties }) => [
        Properties.FromPort,
        Properties.ToPort,
        JSON.stringify(Properties.DestinationSecurityGroupId).includes(id),
      ]),
    ).toEqual([[5432, 5432, true]]);
  });

  test('lets the migrations reach the copy and AWS, and no other database', () => {
    const groups = Object.entries(resources(standard().shared, 'AWS::EC2::SecurityGroup'));
    const [id, group] = groups.find(([, one]) => one.Properties.GroupDescription.startsWith('Migrations on trial'))!;
    expect(group.Properties.SecurityGroupEgress).toEqual([expect.objectContaining({ CidrIp: '0.0.0.0/0', FromPort: 443, ToPort: 443 })]);
    const egress = Object.values(resources(standard().shared, 'AWS::EC2::SecurityGroupEgress')).filter(({ Properties }) =>
      JSON.stringify(Properties.GroupId).includes(id),
    );
    expect(egress.map(({ Properties }) => [Properties.FromPort, JSON.stringify(Properties.DestinationSecurityGroupId)])).toEqual([
      [5432, expect.stringContaining('TrialGroup')],
    ]);
  });

  test('is told to the runbooks', () => {
    expect(part(standard().shared).trial).toEqual({
      securityGroups: [expect.stringMatching(/^<Trial/)],
      subnetGroup: expect.stringMatching(/^<Trial/),
      taskSecurityGroups: [expect.stringMatching(/^<TrialTaskGroup/)],
    });
  });

  test('is not there, and nothing may be deleted, in a system that wants none', () => {
    const { shared } = system({ trial: false });
    expect(part(shared).trial).toBeUndefined();
    const text = JSON.stringify(resources(shared, 'AWS::IAM::Policy'));
    expect(text).not.toContain('rds:Delete');
    expect(text).not.toContain('rds:Restore');
    expect(JSON.stringify(resources(shared, 'AWS::EC2::SecurityGroup'))).not.toContain('no way out');
  });
});
