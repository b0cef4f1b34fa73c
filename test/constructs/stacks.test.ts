import { Annotations, Match, Template } from 'aws-cdk-lib/assertions';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as rds from 'aws-cdk-lib/aws-rds';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { App, RemovalPolicy, Stack, Stage } from 'aws-cdk-lib/core';
import { colorPartSchema, fallbackSchema, sharedSchema } from '../../lib/manifest/schema';
import { stackName } from '../../lib/manifest/stack-names';
import { type Json, only, part, resources, standard, system, testApp, v2 } from './system';

describe('the stacks of a system', () => {
  test('are children of the app, so that `cdk deploy green` finds them', () => {
    const app = testApp();
    system({}, app);
    const assembly = app.synth();
    expect(assembly.stacks.map(({ id, stackName }) => `${id} ${stackName}`).sort()).toEqual([
      'blue shop-blue',
      'fallback-w1 shop-fallback-w1',
      'green shop-green',
      'shared shop-shared',
    ]);
    expect(assembly.manifest.missing).toBeUndefined();
  });

  test('stand in a stage by the names that the manifest tells', () => {
    const app = testApp();
    const made = system({}, new Stage(app, 'Prod'));
    const stacks = app.synth().getNestedAssembly('assembly-Prod').stacks;
    const manifest = { shared: sharedSchema.parse(part(made.shared)) };
    // what the CDK's command line selects by.
    expect(stacks.map(({ hierarchicalId }) => hierarchicalId).sort()).toEqual(
      ['blue', 'fallback-w1', 'green', 'shared'].map((name) => stackName(manifest, name)),
    );
    expect(stackName(manifest, 'green')).toBe('Prod/green');
    expect(only(made.green!, 'Custom::SwitchbackGuard').Properties.Path).toBe('Prod');
  });

  test('at the root of the app, and of earlier versions, have their plain names', () => {
    const shared = sharedSchema.parse(part(standard().shared));
    expect(shared.stackPath).toBeUndefined();
    expect([stackName({ shared }, 'green'), stackName(undefined, 'shared')]).toEqual(['green', 'shared']);
  });

  test('reserve one execution for the runner, unless the account has none to give away', () => {
    const reserved = (stacks: ReturnType<typeof system>) =>
      Object.values(resources(stacks.shared, 'AWS::Lambda::Function')).flatMap(
        ({ Properties }) => Properties.ReservedConcurrentExecutions ?? [],
      );
    expect(reserved(standard())).toEqual([1]);
    expect(reserved(system({ reservedConcurrency: false }, testApp()))).toEqual([]);
  });

  test('leave out a color without a release and a window without a number', () => {
    const app = testApp();
    system({ green: undefined, window: undefined }, app);
    expect(
      app
        .synth()
        .stacks.map(({ id }) => id)
        .sort(),
    ).toEqual(['blue', 'shared']);
  });

  test('ask nothing of an account, also when account and region are given', () => {
    const app = testApp();
    system({ env: { account: '111122223333', region: 'eu-central-1' } }, app);
    expect(app.synth().manifest.missing).toBeUndefined();
  });

  test('the shared stack is the same whatever the colors run', () => {
    const resourcesOf = (props: Parameters<typeof system>[0]) => Template.fromStack(system(props).shared).toJSON()['Resources'];
    const both = Template.fromStack(standard().shared).toJSON()['Resources'];
    expect(resourcesOf({ green: undefined, blue: v2, window: undefined })).toEqual(both);
  });
});

describe('the manifest', () => {
  const made = standard();
  test('has a part for the shared stack that the runbooks can read', () => {
    const shared = sharedSchema.parse(part(made.shared));
    expect(shared).toMatchObject({
      system: 'shop',
      listeners: [{ firstPriority: 1000 }],
      routingKey: { header: 'x-switchback', blue: 'blue', green: 'green' },
      database: { instance: 'shop-database', name: 'shop', roles: { owner: 'shop_owner', write: 'shop_write' } },
      holdSeconds: 86_400,
      watchSeconds: 3600,
    });
    expect(shared.maintenanceRules.map(({ application, kind, slot }) => `${kind} ${application} ${slot}`)).toEqual(['maintenance site 1']);
  });

  test('has a part for each color', () => {
    const green = colorPartSchema.parse(part(made.green!));
    expect(green).toMatchObject({
      part: 'green',
      stack: 'shop-green',
      release: v2,
      workers: [
        { name: 'queue', once: false, count: 2, scaling: { min: 1, max: 4 } },
        { name: 'clock', once: true, count: 1 },
      ],
      database: { user: 'shop_green' },
      migration: { container: 'migration', expand: ['migrate', 'expand'], contract: ['migrate', 'contract'], logStreamPrefix: 'migration' },
    });
    expect(green.applications.map(({ name, open, proofPath }) => ({ name, open, proofPath }))).toEqual([
      { name: 'player', open: true, proofPath: '/watch/release' },
      { name: 'site', open: false, proofPath: '/release' },
    ]);
    expect(green.rules.map(({ application, kind, slot }) => `${kind} ${application} ${slot}`)).toEqual([
      'open player 0',
      'key player 0',
      'application site 1',
      'key site 1',
    ]);
  });

  test('has a part for the fallback, whose source is known when it is made', () => {
    expect(fallbackSchema.parse(part(made.fallback!))).toMatchObject({
      window: 'w1',
      stack: 'shop-fallback-w1',
      instance: 'shop-fallback-w1',
      source: '<Source.Source>',
    });
  });

  test('names an application’s host where it has one', () => {
    const { blue } = system({
      applications: [
        { name: 'docs', hosts: ['*.docs.example.com'], proofPath: '/release' },
        { name: 'shop', hosts: ['*.example.com', 'example.com'], proofPath: '/release' },
      ],
    });
    expect(colorPartSchema.parse(part(blue!)).applications.map(({ host }) => host)).toEqual(['x.docs.example.com', 'example.com']);
  });

  test('of too many applications would not fit into a parameter, and that is said', () => {
    const applications = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `app${i}`, paths: [`/${i}/*`], proofPath: `/${i}/r` }));
    expect(() => system({ applications: applications(20) })).not.toThrow();
    expect(() => system({ applications: applications(40) })).toThrow(/manifest of blue would have about \d+ characters/);
  });
});

describe('the shared stack', () => {
  const { shared } = standard();
  const template = Template.fromStack(shared);

  test('answers 503 where no rule matches', () => {
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
      Port: 80,
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: Match.objectLike({ StatusCode: '503' }) }],
    });
  });

  test('holds no rule whose priority a runbook moves', () => {
    template.resourceCountIs('AWS::ElasticLoadBalancingV2::ListenerRule', 0);
  });

  test('has a database that can be replicated, by a password that is its own', () => {
    template.hasResource('AWS::RDS::DBInstance', {
      Properties: {
        Engine: 'postgres',
        EngineVersion: '17',
        BackupRetentionPeriod: 7,
        DeletionProtection: true,
        StorageEncrypted: true,
        MultiAZ: true,
        ManageMasterUserPassword: Match.absent(),
      },
      DeletionPolicy: 'Snapshot',
    });
    template.hasResourceProperties('AWS::RDS::DBParameterGroup', { Family: 'postgres17', Parameters: { 'rds.logical_replication': '1' } });
    // attached, a secret would have a host in it that the template owns.
    template.resourceCountIs('AWS::SecretsManager::SecretTargetAttachment', 0);
  });

  test('keeps the journal: versioned, private, encrypted, retained', () => {
    template.hasResource('AWS::S3::Bucket', {
      Properties: {
        VersioningConfiguration: { Status: 'Enabled' },
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        BucketEncryption: Match.anyValue(),
      },
      DeletionPolicy: 'Retain',
    });
  });

  test('has one runner at a time, in the network, for as long as a function may run', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      ReservedConcurrentExecutions: 1,
      Timeout: 900,
      VpcConfig: Match.anyValue(),
      Description: Match.stringLikeRegexp('executes the steps'),
    });
  });

  test('lets the runner delete only what a teardown deletes, and never an event of the journal', () => {
    const policies = JSON.stringify(Object.entries(resources(shared, 'AWS::IAM::Policy')).filter(([id]) => id.startsWith('Runner')));
    expect(policies).toContain('rds:DeleteDBInstance');
    expect(policies).not.toContain('s3:DeleteObject');
    expect(policies).not.toContain('elasticloadbalancing:DeleteRule');
    expect(policies).toContain(':db:shop-fallback-*');
  });

  test('makes maintenance rules for what is not open', () => {
    template.hasResourceProperties('Custom::SwitchbackRules', {
      Owner: 'maintenance',
      Rules: [
        {
          Application: 'site',
          Kind: 'maintenance',
          Slot: 1,
          Paths: ['/*'],
          Hosts: [],
          Response: { Status: '503', ContentType: 'text/plain', Body: Match.anyValue() },
        },
      ],
    });
  });

  test('waits for its routes before a function in the network is asked', () => {
    const { DependsOn: before } = only(shared, 'Custom::SwitchbackRoles');
    const routes = Object.keys(resources(shared, 'AWS::EC2::Route'));
    expect(before).toEqual(expect.arrayContaining(routes));
  });
});

describe('a color', () => {
  const { green } = standard();
  const template = Template.fromStack(green!);
  const containerOf = (name: string): Json =>
    Object.values(resources(green!, 'AWS::ECS::TaskDefinition'))
      .map(({ Properties }) => Properties.ContainerDefinitions[0])
      .find((container) => container.Name === name);
  const environmentOf = (name: string) => Object.fromEntries(containerOf(name).Environment.map(({ Name, Value }: Json) => [Name, Value]));

  test('tells its tasks what they are and how to call their own color', () => {
    expect(environmentOf('site')).toMatchObject({
      SWITCHBACK_COLOR: 'green',
      RELEASE_VERSION: '2.0.0',
      RELEASE_COMMIT: 'bbbb222',
      SWITCHBACK_KEY_HEADER: 'x-switchback',
      SWITCHBACK_KEY: 'green',
      INTERNAL_URL: { 'Fn::GetAtt': [expect.anything(), 'Address'] },
      PORT: '8080',
    });
    expect(environmentOf('clock')).not.toHaveProperty('PORT');
  });

  test('gives open applications the reader’s database, migrations the migrator’s, everything else the color’s', () => {
    const secretOf = (name: string) =>
      JSON.stringify(containerOf(name).Secrets.find(({ Name }: Json) => Name === 'DATABASE_URL').ValueFrom);
    expect(secretOf('player')).toContain('Reader');
    expect(secretOf('site')).toContain('User');
    expect(secretOf('clock')).toContain('User');
    expect(secretOf('migration')).toContain('Migrator');
    for (const name of ['player', 'site', 'clock', 'migration']) expect(secretOf(name)).toContain(':url::');
  });

  test('starts an application only when a rule leads to it and its user can log in', () => {
    const rules = Object.keys(resources(green!, 'Custom::SwitchbackRules'));
    const users = Object.keys(resources(green!, 'Custom::SwitchbackUsers'));
    const services = Object.values(resources(green!, 'AWS::ECS::Service'));
    expect(services).toHaveLength(2);
    for (const service of services) {
      expect(service.DependsOn).toEqual(expect.arrayContaining([...rules, ...users]));
      expect(service.Properties).toMatchObject({
        DesiredCount: 2,
        DeploymentConfiguration: {
          MinimumHealthyPercent: 100,
          MaximumPercent: 200,
          DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        },
      });
    }
  });

  test('says nothing about how many of a worker run', () => {
    const workers = Object.values(resources(green!, 'Custom::SwitchbackWorker')).map(({ Properties }) => Properties);
    expect(workers.map(({ Service, Once }) => `${Service} ${Once}`)).toEqual(['green-queue false', 'green-clock true']);
    for (const worker of workers) expect(JSON.stringify(worker)).not.toMatch(/count/i);
    template.resourceCountIs('AWS::ApplicationAutoScaling::ScalableTarget', 0);
  });

  test('has rules for its conditions, and the same with its routing key', () => {
    expect(
      only(green!, 'Custom::SwitchbackRules').Properties.Rules.map(({ Kind, Slot, Paths, Header }: Json) => ({
        Kind,
        Slot,
        Paths,
        Header,
      })),
    ).toEqual([
      { Kind: 'open', Slot: 0, Paths: ['/watch/*'], Header: undefined },
      { Kind: 'key', Slot: 0, Paths: ['/watch/*'], Header: { Name: 'x-switchback', Value: 'green' } },
      { Kind: 'application', Slot: 1, Paths: ['/*'], Header: undefined },
      { Kind: 'key', Slot: 1, Paths: ['/*'], Header: { Name: 'x-switchback', Value: 'green' } },
    ]);
  });

  test('the roles of tasks may do nothing until somebody grants it', () => {
    const made = system();
    const [first] = made.taskRoles;
    expect(made.taskRoles).toHaveLength(2);
    first!.addToPrincipalPolicy(new iam.PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::films/*'] }));
    Template.fromStack(made.blue!).hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: { Statement: [Match.objectLike({ Action: 's3:GetObject' })] },
    });
    expect(JSON.stringify(resources(made.green!, 'AWS::IAM::Policy'))).not.toContain('films');
  });
});

describe('the fallback', () => {
  const { fallback } = standard();

  test('is a replica with backups and protection, of an instance chosen when it is made', () => {
    const replica = only(fallback!, 'AWS::RDS::DBInstance');
    expect(replica.Properties).toMatchObject({
      DBInstanceIdentifier: 'shop-fallback-w1',
      SourceDBInstanceIdentifier: { 'Fn::GetAtt': ['Source', 'Source'] },
      BackupRetentionPeriod: 7,
      DeletionProtection: true,
    });
    // what a replica takes from its source, and RDS refuses on it.
    for (const property of ['Engine', 'MasterUsername', 'MasterUserPassword', 'DBName', 'StorageEncrypted', 'DBSubnetGroupName']) {
      expect(replica.Properties).not.toHaveProperty(property);
    }
    expect(fallback!.terminationProtection).toBe(true);
    Template.fromStack(fallback!).hasResourceProperties('AWS::RDS::DBParameterGroup', { Parameters: { 'rds.logical_replication': '1' } });
  });
});

describe('the guard', () => {
  test.each(['shared', 'blue', 'green', 'fallback'] as const)(
    'of %s is asked before anything changes and before anything is deleted',
    (name) => {
      const stack = standard()[name]!;
      const all = Template.fromStack(stack).toJSON()['Resources'] as Record<string, Json>;
      const [change] = Object.keys(resources(stack, 'Custom::SwitchbackGuard'));
      const [deletion] = Object.keys(resources(stack, 'Custom::SwitchbackDeletionGuard'));
      // the guard's own function cannot wait for the guard.
      const others = Object.keys(all).filter((id) => id !== change && id !== deletion && !id.startsWith('HandlersGuard'));
      for (const id of others) expect([id, all[id].DependsOn]).toEqual([id, expect.arrayContaining([change])]);
      expect(all[deletion!].DependsOn).toEqual(expect.arrayContaining(others));
    },
  );

  test('also covers what a user adds to a stack', () => {
    const { green } = system();
    new secretsmanager.Secret(green!, 'Mine');
    const [change] = Object.keys(resources(green!, 'Custom::SwitchbackGuard'));
    Template.fromStack(green!).hasResource('AWS::SecretsManager::Secret', {
      Properties: { GenerateSecretString: {} },
      DependsOn: [change],
    });
  });

  test('is asked again when anything in the stack is another, and only then', () => {
    const fingerprint = (props: Parameters<typeof system>[0]) =>
      only(system(props).green!, 'Custom::SwitchbackGuard').Properties.Fingerprint;
    const now = only(standard().green!, 'Custom::SwitchbackGuard').Properties.Fingerprint;
    expect(now).toMatch(/^[0-9a-f]{32}$/);
    expect(fingerprint({ blue: { ...v2, version: '3.0.0' }, window: 9, removalPolicy: RemovalPolicy.DESTROY })).toBe(now);
    expect(fingerprint({ green: { ...v2, commit: 'cccc333' } })).not.toBe(now);
    expect(fingerprint({ environment: { MORE: '1' } })).not.toBe(now);
  });
});

describe('what a user has already', () => {
  test('a VPC, a load balancer and its listener are adopted', () => {
    const app = testApp();
    const theirs = new Stack(app, 'theirs');
    const vpc = new ec2.Vpc(theirs, 'Vpc', { maxAzs: 2 });
    const loadBalancer = new elbv2.ApplicationLoadBalancer(theirs, 'Alb', { vpc });
    const listener = loadBalancer.addListener('Listener', { port: 80, defaultAction: elbv2.ListenerAction.fixedResponse(404) });
    const made = system({ vpc, loadBalancer, listener, firstPriority: 5000 }, app);
    const template = Template.fromStack(made.shared);
    template.resourceCountIs('AWS::EC2::VPC', 0);
    template.resourceCountIs('AWS::ElasticLoadBalancingV2::LoadBalancer', 0);
    template.hasResourceProperties('Custom::SwitchbackRules', { FirstPriority: 5000 });
    // its requests reach the tasks.
    expect(JSON.stringify(resources(made.shared, 'AWS::EC2::SecurityGroupIngress'))).toContain(
      'theirs:ExportsOutputFnGetAttAlbSecurityGroup',
    );
    app.synth();
  });

  test('a database is adopted with its master secret', () => {
    const app = testApp();
    const theirs = new Stack(app, 'theirs');
    const vpc = new ec2.Vpc(theirs, 'Vpc', { maxAzs: 2 });
    const masterSecret = secretsmanager.Secret.fromSecretCompleteArn(
      theirs,
      'Secret',
      'arn:aws:secretsmanager:eu-central-1:111122223333:secret:master-abcdef',
    );
    const instance = rds.DatabaseInstance.fromDatabaseInstanceAttributes(theirs, 'Database', {
      instanceIdentifier: 'films',
      instanceEndpointAddress: 'films.example.com',
      port: 5432,
      securityGroups: [ec2.SecurityGroup.fromSecurityGroupId(theirs, 'Group', 'sg-1234')],
    });
    const acknowledgedFunctions = ['public.charge(n integer)'];
    const { shared, fallback } = system(
      { vpc, database: { instance, masterSecret, name: 'films', acknowledgedFunctions, certificates: '/rds.pem' } },
      app,
    );
    Template.fromStack(shared).resourceCountIs('AWS::RDS::DBInstance', 0);
    expect(part(shared).database).toMatchObject({ instance: 'films', name: 'films', masterSecret: masterSecret.secretArn });
    // what somebody has looked at travels with the system.
    expect(part(shared).database.acknowledged).toEqual({ findings: [], functions: acknowledgedFunctions });
    expect(part(shared).database.certificates).toBe('/rds.pem');
    Template.fromStack(shared).hasResourceProperties('Custom::SwitchbackRoles', { Certificates: '/rds.pem' });
    expect(only(fallback!, 'Custom::SwitchbackSource').Properties.Instance).toBe('films');
  });

  test('fails for a database whose password RDS manages', () => {
    const app = testApp();
    const theirs = new Stack(app, 'theirs');
    const vpc = new ec2.Vpc(theirs, 'Vpc', { maxAzs: 2 });
    const instance = new rds.DatabaseInstance(theirs, 'Database', {
      vpc,
      engine: rds.DatabaseInstanceEngine.postgres({ version: rds.PostgresEngineVersion.VER_17 }),
    });
    (instance.node.findChild('Resource') as rds.CfnDBInstance).manageMasterUserPassword = true;
    const masterSecret = new secretsmanager.Secret(theirs, 'Secret');
    expect(() => system({ vpc, database: { instance, masterSecret } }, app)).toThrow('managed by RDS');
  });

  test('a certificate makes the listener HTTPS, and calls inside use its name', () => {
    const app = new App({ context: { 'aws:cdk:bundling-stacks': [] } });
    const theirs = new Stack(app, 'theirs');
    const certificate = {
      certificateArn: 'arn:aws:acm:eu-central-1:111122223333:certificate/1',
      node: theirs.node,
      stack: theirs,
      env: theirs.env,
    } as never;
    const { shared, blue } = system({ certificate, domainName: 'shop.example.com' }, app);
    const listeners = Object.values(resources(shared, 'AWS::ElasticLoadBalancingV2::Listener')).map(({ Properties }) => [
      Properties.Port,
      Properties.DefaultActions[0].Type,
    ]);
    expect(new Set(listeners.map(String))).toEqual(new Set(['443,fixed-response', '80,redirect']));
    expect(JSON.stringify(resources(blue!, 'AWS::ECS::TaskDefinition'))).toContain('"https://shop.example.com"');
  });
});

test('somebody who operates may look, ask the runner, write a note and move the rules, and nothing else', () => {
  const app = testApp();
  const made = system({}, app);
  const operators = new iam.Role(new Stack(app, 'people'), 'Operators', { assumedBy: new iam.AccountRootPrincipal() });
  made.grantOperate(operators);
  const actions = Object.values(resources(Stack.of(operators), 'AWS::IAM::Policy')).flatMap(({ Properties }) =>
    Properties.PolicyDocument.Statement.flatMap(({ Action }: Json) => Action),
  );
  expect(actions.map(String).sort()).toEqual([
    'ecs:DescribeServices',
    'elasticloadbalancing:DescribeListeners',
    'elasticloadbalancing:DescribeLoadBalancers',
    'elasticloadbalancing:DescribeRules',
    'elasticloadbalancing:SetRulePriorities',
    'lambda:InvokeFunction',
    'rds:DescribeDBInstances',
    's3:GetBucket*',
    's3:GetObject*',
    's3:List*',
    's3:PutObject',
    'ssm:GetParameter',
    'ssm:GetParametersByPath',
    'ssm:PutParameter',
  ]);
});

test('nothing is said at synth that a user would have to look up', () => {
  const made = standard();
  for (const stack of [made.shared, made.blue!, made.green!, made.fallback!]) {
    expect(Annotations.fromStack(stack).findWarning('*', Match.anyValue())).toEqual([]);
  }
});
