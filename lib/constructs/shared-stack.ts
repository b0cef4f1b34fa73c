import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as ssm from 'aws-cdk-lib/aws-ssm';
import { CustomResource, Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { z } from 'zod';
import type { Color } from '../manifest/release';
import { manifestVersion, parameterName, type sharedSchema } from '../manifest/schema';
import { Handlers } from './custom-resources';
import { FrontDoor, listenerPorts } from './front-door';
import { Guard } from './guard';
import { feedUser, roleNames } from './names';
import { Network } from './network';
import { acknowledge } from './permissions';
import { ProductionDatabase } from './production-database';
import type { DatabaseProperties } from './properties';
import type { DatabaseProps, RoutingKeyProps, SwitchbackProps } from './props';
import { Rules } from './rules';
import { Runner } from './runner';
import { SystemStack } from './system-stack';
import { Trial } from './trial';
import { UserSecret } from './user-secret';

/** What both colors share: network, balancer, maintenance rules, production database, journal, runner. */
export class SharedStack extends SystemStack {
  readonly network: Network;
  readonly frontDoor: FrontDoor;
  readonly cluster: ecs.Cluster;
  readonly database: ProductionDatabase;
  readonly journal: s3.Bucket;
  /** @internal */
  readonly migratorSecret: UserSecret;
  /** Of the user the fallback is fed as. @internal */
  readonly feedSecret: UserSecret;
  /** @internal */
  readonly handlers: Handlers;
  readonly runner: Runner;
  /** Undefined where migrations are not tried on a copy of production. @internal */
  readonly trial: Trial | undefined;
  /** Here, not in the colors' stacks: what a release has logged outlives its teardown. */
  readonly logs: Readonly<Record<Color, logs.LogGroup>>;
  readonly routingKey: RoutingKeyProps;
  /** @internal */
  readonly firstPriority: number;

  /** @internal */
  constructor(scope: Construct, system: string, props: SwitchbackProps) {
    super(scope, 'shared', system, {
      description: `Switchback ${system}: what both colors share`,
      // a deletion that the guard refuses leaves a stack that can never be updated again.
      terminationProtection: props.removalPolicy !== RemovalPolicy.DESTROY,
      ...(props.env ? { env: props.env } : {}),
    });
    const removalPolicy = props.removalPolicy ?? RemovalPolicy.RETAIN;
    const kept = removalPolicy !== RemovalPolicy.DESTROY;
    this.routingKey = props.routingKey ?? { header: 'x-switchback', blue: 'blue', green: 'green' };
    this.firstPriority = props.firstPriority ?? 1000;

    this.network = new Network(this, 'Network', {
      vpc: props.vpc,
      natGateways: props.natGateways ?? 1,
      internetFacing: props.internetFacing ?? true,
      listenerPorts: listenerPorts(props),
      containerPorts: [...new Set(props.applications.map((application) => application.port ?? 8080))],
    });
    this.frontDoor = new FrontDoor(this, 'FrontDoor', {
      ...props,
      vpc: this.network.vpc,
      securityGroup: this.network.balancer,
      deletionProtection: kept,
    });
    // the balancer's own group when it is adopted: its requests must reach the tasks too.
    for (const group of props.loadBalancer?.connections.securityGroups ?? []) {
      for (const port of new Set(props.applications.map((application) => application.port ?? 8080)))
        this.network.tasks.connections.allowFrom(group, ec2.Port.tcp(port));
    }
    this.cluster = new ecs.Cluster(this, 'Cluster', { vpc: this.network.vpc, containerInsightsV2: ecs.ContainerInsights.ENABLED });
    this.database = new ProductionDatabase(this, 'Database', { ...props.database, system, network: this.network, removalPolicy });
    this.journal = new s3.Bucket(this, 'Journal', {
      versioned: true,
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      removalPolicy,
    });
    acknowledge(
      this.journal,
      'S1',
      'every event says who wrote it, and only the runner and those who operate may write; who reads is in CloudTrail',
    );
    const roles = roleNames(system);
    this.migratorSecret = new UserSecret(this, 'Migrator', roles.migrator, `User that migrations of ${system} run as`);
    this.feedSecret = new UserSecret(this, 'Feed', feedUser(system), `User that the fallback databases of ${system} are fed as`);
    const logGroup = (color: Color) =>
      new logs.LogGroup(this, `${color}Logs`, {
        retention: logs.RetentionDays.THREE_MONTHS,
        removalPolicy: kept ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
      });
    this.logs = { blue: logGroup('blue'), green: logGroup('green') };

    this.handlers = new Handlers(this, 'Handlers', {
      system,
      network: this.network,
      masterSecret: this.database.masterSecret,
      migratorSecret: this.migratorSecret,
      cluster: this.cluster,
      listenerArn: this.frontDoor.listener.listenerArn,
    });
    this.trial = (props.trial ?? true) ? new Trial(this, 'Trial', this.network) : undefined;
    this.runner = new Runner(this, 'Runner', {
      system,
      network: this.network,
      cluster: this.cluster,
      journal: this.journal,
      secrets: [this.database.masterSecret, this.migratorSecret, this.feedSecret],
      logs: [this.logs.blue, this.logs.green],
      database: this.database.identifier,
      scheduleGroup: system,
      listenerArn: this.frontDoor.listener.listenerArn,
      reservedConcurrency: props.reservedConcurrency ?? true,
      ...(this.trial ? { trial: this.trial } : {}),
    });

    const {
      body = 'We are updating the system and will be back shortly.',
      contentType = 'text/plain',
      status = 503,
    } = props.maintenance ?? {};
    const maintenance = new Rules(this, 'Maintenance', {
      serviceToken: this.handlers.rules,
      system,
      owner: 'maintenance',
      listener: this.frontDoor.listener,
      loadBalancerArn: this.frontDoor.loadBalancerArn,
      firstPriority: this.firstPriority,
      rules: props.applications.flatMap((application, slot) =>
        application.open
          ? []
          : [
              {
                Application: application.name,
                Kind: 'maintenance' as const,
                Slot: slot,
                Paths: [...(application.paths ?? [])],
                Hosts: [...(application.hosts ?? [])],
                Response: { Status: String(status), ContentType: contentType, Body: body },
              },
            ],
      ),
    });

    const prepared: DatabaseProperties = {
      System: system,
      Instance: this.database.identifier,
      Database: this.database.databaseName,
      ...certificatesIn(props.database),
      MasterSecret: this.database.masterSecret.secretArn,
      Roles: roles,
      Prepare: true,
      Users: [{ Kind: 'migrator', Secret: this.migratorSecret.secretArn }],
    };
    const users = new CustomResource(this, 'Roles', {
      serviceToken: this.handlers.database,
      resourceType: 'Custom::SwitchbackRoles',
      properties: prepared,
    });
    // the function is inside the network: it reaches nothing before the routes are there.
    users.node.addDependency(this.database, this.network);

    const part: z.input<typeof sharedSchema> = {
      manifest: manifestVersion,
      part: 'shared',
      system,
      ...(this.path === '' ? {} : { stackPath: this.path }),
      region: this.region,
      account: this.account,
      cluster: this.cluster.clusterName,
      loadBalancer: { arn: this.frontDoor.loadBalancerArn, name: this.frontDoor.loadBalancerName },
      listeners: [{ arn: this.frontDoor.listener.listenerArn, firstPriority: this.firstPriority }],
      maintenanceRules: maintenance.manifest,
      routingKey: this.routingKey,
      database: {
        instance: this.database.identifier,
        name: this.database.databaseName,
        ...(props.database?.certificates === undefined ? {} : { certificates: props.database.certificates }),
        masterSecret: this.database.masterSecret.secretArn,
        migratorSecret: this.migratorSecret.secretArn,
        ...((props.feed ?? true) ? { feedSecret: this.feedSecret.secretArn } : {}),
        ...acknowledgedIn(props.database),
        roles,
      },
      ...(this.trial ? { trial: this.trial.manifest } : {}),
      journalBucket: this.journal.bucketName,
      runner: this.runner.function.functionName,
      schedule: { group: system, role: this.runner.scheduleRole.roleArn },
      holdSeconds: (props.hold ?? Duration.hours(24)).toSeconds(),
      watchSeconds: (props.watch ?? Duration.hours(1)).toSeconds(),
      checks: (props.checks ?? []).map((check) => ({ ...check, status: check.status ?? 200 })),
      landingTests: [...(props.landingTests ?? [])],
    };
    writePart(this, part).node.addDependency(users);
    new Guard(this, {
      serviceToken: this.handlers.guard,
      protects: 'shared',
      subject: 'what both colors share',
      deletable: !kept,
      without: [this.handlers.guardFunction],
    });
  }
}

function acknowledgedIn({ acknowledgedFindings: findings = [], acknowledgedFunctions: functions = [] }: DatabaseProps = {}): object {
  return findings.length + functions.length === 0 ? {} : { acknowledged: { findings: [...findings], functions: [...functions] } };
}

/** As the custom resource that writes `DATABASE_URL` is told. */
export const certificatesIn = ({ certificates }: DatabaseProps = {}): Pick<DatabaseProperties, 'Certificates'> =>
  certificates === undefined ? {} : { Certificates: certificates };

/** The stack's part of the manifest. */
export function writePart(stack: SystemStack, part: object): ssm.StringParameter {
  // what only a deploy knows is the last part of a rule's ARN, which stands after a blank, a revision, or an ARN or a name.
  const size = JSON.stringify(part)
    .replace(/"revision":"\$\{Token\[[^\]]*\]\}/g, '"revision":"....')
    .replace(/ \$\{Token\[[^\]]*\]\}/g, '.'.repeat(17))
    .replace(/\$\{Token\[[^\]]*\]\}/g, '.'.repeat(125)).length;
  if (size > 8192) {
    throw new Error(
      `the manifest of ${stack.part} would have about ${size} characters, an SSM parameter holds 8,192: split the system, or give it fewer applications, checks or landing tests`,
    );
  }
  return new ssm.StringParameter(stack, 'Manifest', {
    parameterName: parameterName.part(stack.system, stack.part),
    description: `Switchback: what runbooks of ${stack.system} need to know of ${stack.part}`,
    stringValue: stack.toJsonString(part),
    tier: ssm.ParameterTier.ADVANCED,
  });
}
