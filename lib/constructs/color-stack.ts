import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { CustomResource, Duration, Fn } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { z } from 'zod';
import type { Color, Release } from '../manifest/release';
import { type Application, type ColorPart, type colorPartSchema, manifestVersion, type Worker } from '../manifest/schema';
import { Guard } from './guard';
import { colorUser, readerUser, roleNames } from './names';
import { cookieHeader, passagePath, passageRule } from './passage';
import { grantFrom } from './permissions';
import type { DatabaseProperties, RuleDefinition, WorkerProperties } from './properties';
import type { ApplicationProps, SwitchbackProps, WorkerProps } from './props';
import { Rules } from './rules';
import { certificatesIn, type SharedStack, writePart } from './shared-stack';
import { SystemStack } from './system-stack';
import { TaskFactory } from './tasks';
import { UserSecret } from './user-secret';

const useSecret = ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret', 'secretsmanager:PutSecretValue'];

/** Of the container and the log streams of the one-off task that migrates. */
const migrationName = 'migration';

/** One color: the tasks of one release, and only what belongs to them. */
export class ColorStack extends SystemStack {
  readonly tasks: TaskFactory;
  private readonly rules: Rules;
  private readonly secret: UserSecret;
  private readonly openSecret: UserSecret;
  private readonly users: CustomResource;

  /** @internal */
  constructor(
    scope: Construct,
    readonly color: Color,
    readonly release: Release,
    private readonly shared: SharedStack,
    private readonly props: SwitchbackProps,
  ) {
    super(scope, color, shared.system, {
      description: `Switchback ${shared.system}: ${color}`,
      ...(props.env ? { env: props.env } : {}),
    });
    const { system } = this;
    const passage = props.maintenance?.passage;
    const address = props.domainName && props.certificate ? `https://${props.domainName}` : undefined;
    this.secret = new UserSecret(
      this,
      'User',
      colorUser(system, color),
      `Database user for applications and workers of ${system} ${color}`,
    );
    this.openSecret = new UserSecret(
      this,
      'Reader',
      readerUser(system, color),
      `Database user for open applications of ${system} ${color}`,
    );
    this.users = this.prepareUsers();

    const targetGroups = new Map(props.applications.map((application) => [application.name, this.targetGroup(application)]));
    this.rules = new Rules(this, 'Rules', {
      serviceToken: shared.handlers.rules,
      system,
      owner: color,
      listener: shared.frontDoor.listener,
      loadBalancerArn: shared.frontDoor.loadBalancerArn,
      firstPriority: shared.firstPriority,
      rules: [
        ...props.applications.flatMap((application, slot) =>
          this.rulesFor(application, slot, targetGroups.get(application.name)!.targetGroupArn),
        ),
        ...(passage === undefined ? [] : [passageRule(passage, color)]),
      ],
    });

    this.tasks = new TaskFactory(this, 'Tasks', {
      environment: {
        ...props.environment,
        SWITCHBACK_COLOR: color,
        RELEASE_VERSION: release.version,
        RELEASE_COMMIT: release.commit,
        // calls between applications carry their own color's key, and so stay in their color whichever is live.
        SWITCHBACK_KEY_HEADER: shared.routingKey.header,
        SWITCHBACK_KEY: shared.routingKey[color],
        // from the listener itself: a port in a template need not be the one that was given.
        INTERNAL_URL: address ?? this.rules.address,
      },
      secrets: { ...props.secrets },
      logs: shared.logs[color],
    });
    const applications = props.applications.map((application) => this.application(application, targetGroups.get(application.name)!));
    const workers = (props.workers ?? []).map((worker) => this.worker(worker));
    const migration = this.migrationTask();
    this.allowRunner(migration);

    const part: z.input<typeof colorPartSchema> = {
      manifest: manifestVersion,
      part: color,
      system,
      stack: this.stackName,
      release: { version: release.version, commit: release.commit },
      applications,
      workers,
      rules: this.rules.manifest,
      ...(passage === undefined ? {} : { passage: `${address ?? ''}${passagePath(passage, color)}` }),
      database: { user: colorUser(system, color), secret: this.secret.secretArn, openSecret: this.openSecret.secretArn },
      migration: this.migration(migration),
    };
    const manifest = writePart(this, part);
    for (const node of this.node.children) if (node !== manifest) manifest.node.addDependency(node);
    new Guard(this, {
      serviceToken: shared.handlers.guard,
      protects: 'color',
      subject: `release ${release.version} (${release.commit})`,
      listener: { arn: shared.frontDoor.listener.listenerArn, firstPriority: shared.firstPriority },
      deletable: props.removalPolicy === 'destroy',
    });
  }

  /** Known here, so that it takes little room in the manifest. */
  private serviceName(name: string): string {
    return `${this.color}-${name}`;
  }

  /** Users with their passwords in the production database, and its address in their secrets: tasks cannot start before. */
  private prepareUsers(): CustomResource {
    const { handlers, database } = this.shared;
    const secrets = [this.secret.secretArn, this.openSecret.secretArn];
    const permissions = grantFrom(this, 'PrepareUsers', handlers.databaseRole, [{ actions: useSecret, resources: secrets }]);
    const properties: DatabaseProperties = {
      System: this.system,
      Instance: database.identifier,
      Database: database.databaseName,
      ...certificatesIn(this.props.database),
      MasterSecret: database.masterSecret.secretArn,
      Roles: roleNames(this.system),
      Prepare: false,
      Users: [
        { Kind: 'color', Secret: this.secret.secretArn },
        { Kind: 'reader', Secret: this.openSecret.secretArn },
      ],
    };
    const users = new CustomResource(this, 'Users', {
      serviceToken: handlers.database,
      resourceType: 'Custom::SwitchbackUsers',
      properties,
    });
    users.node.addDependency(permissions);
    return users;
  }

  private targetGroup(application: ApplicationProps): elbv2.ApplicationTargetGroup {
    return new elbv2.ApplicationTargetGroup(this, `${application.name}Targets`, {
      vpc: this.shared.network.vpc,
      port: application.port ?? 8080,
      protocol: elbv2.ApplicationProtocol.HTTP,
      targetType: elbv2.TargetType.IP,
      deregistrationDelay: application.deregistrationDelay ?? Duration.seconds(30),
      healthCheck: {
        path: application.healthCheckPath ?? '/health',
        healthyHttpCodes: '200',
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
  }

  private rulesFor(application: ApplicationProps, slot: number, targetGroup: string): RuleDefinition[] {
    const rule = {
      Application: application.name,
      Slot: slot,
      Paths: [...(application.paths ?? [])],
      Hosts: [...(application.hosts ?? [])],
      TargetGroup: targetGroup,
    };
    const key = { Name: this.shared.routingKey.header, Value: this.shared.routingKey[this.color] };
    const passage = this.props.maintenance?.passage;
    return [
      { ...rule, Kind: application.open ? 'open' : 'application' },
      { ...rule, Kind: 'key', Header: key },
      ...(passage === undefined ? [] : [{ ...rule, Kind: 'cookie' as const, Header: cookieHeader(passage, this.color) }]),
    ];
  }

  private application(application: ApplicationProps, targetGroup: elbv2.ApplicationTargetGroup): Application {
    const { name, open = false, port = 8080 } = application;
    const taskDefinition = this.tasks.make({
      name,
      image: (application.image ?? this.props.image)(this.release),
      command: application.command,
      cpu: application.cpu ?? 256,
      memory: application.memory ?? 512,
      database: open ? this.openSecret : this.secret,
      port,
      ...(application.environment ? { environment: application.environment } : {}),
    });
    const service = new ecs.FargateService(this, `${name}Service`, {
      cluster: this.shared.cluster,
      serviceName: this.serviceName(name),
      taskDefinition,
      desiredCount: application.desiredCount ?? 2,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      assignPublicIp: false,
      vpcSubnets: this.shared.network.inside,
      securityGroups: [this.shared.network.tasks],
    });
    service.attachToApplicationTargetGroup(targetGroup);
    // ECS refuses a target group that no rule leads to, and a task without the url in its secret does not start.
    service.node.addDependency(this.rules, this.users);
    const host = application.hosts?.find((it) => !/[*?]/.test(it)) ?? application.hosts?.[0]?.replaceAll(/[*?]/g, 'x');
    return {
      name,
      service: this.serviceName(name),
      targetGroup: targetGroup.targetGroupArn,
      open,
      proofPath: application.proofPath,
      ...(host ? { host } : {}),
      revision: revisionOf(taskDefinition),
    };
  }

  /** By a custom resource: in the template, a count left out means one task, and a count put in is put back by an update. */
  private worker(worker: WorkerProps): Worker {
    const { name, once = false, count = 1, scaling } = worker;
    const { network, cluster, handlers } = this.shared;
    const taskDefinition = this.tasks.make({
      name,
      image: (worker.image ?? this.props.image)(this.release),
      command: worker.command,
      cpu: worker.cpu ?? 256,
      memory: worker.memory ?? 512,
      database: this.secret,
      stopTimeout: worker.stopTimeout ?? Duration.seconds(30),
      ...(worker.environment ? { environment: worker.environment } : {}),
    });
    const properties: WorkerProperties = {
      Cluster: cluster.clusterName,
      Service: this.serviceName(name),
      TaskDefinition: taskDefinition.taskDefinitionArn,
      Subnets: network.vpc.selectSubnets(network.inside).subnetIds,
      SecurityGroups: [network.tasks.securityGroupId],
      Once: once,
      ...(scaling ? { Scaling: { Min: scaling.min, Max: scaling.max, CpuPercent: scaling.cpuPercent ?? 60 } } : {}),
    };
    const service = new CustomResource(this, `${name}Worker`, {
      serviceToken: handlers.workers,
      resourceType: 'Custom::SwitchbackWorker',
      properties,
    });
    service.node.addDependency(this.users);
    return {
      name,
      service: this.serviceName(name),
      once,
      count,
      ...(scaling ? { scaling: { min: scaling.min, max: scaling.max } } : {}),
      revision: revisionOf(taskDefinition),
    };
  }

  private migrationTask(): ecs.FargateTaskDefinition {
    const { migration } = this.props;
    return this.tasks.make({
      name: migrationName,
      image: (migration.image ?? this.props.image)(this.release),
      command: migration.expand,
      cpu: migration.cpu ?? 512,
      memory: migration.memory ?? 1024,
      database: this.shared.migratorSecret,
    });
  }

  private migration(task: ecs.FargateTaskDefinition): ColorPart['migration'] {
    const { migration } = this.props;
    const { network } = this.shared;
    return {
      taskDefinition: task.taskDefinitionArn,
      container: migrationName,
      expand: [...migration.expand],
      ...(migration.contract ? { contract: [...migration.contract] } : {}),
      ...(migration.bridges ? { bridges: migration.bridges } : {}),
      ...(migration.acceptedLosses ? { acceptedLosses: [...migration.acceptedLosses] } : {}),
      ...(migration.bookkeeping ? { bookkeeping: [...migration.bookkeeping] } : {}),
      network: { subnets: network.vpc.selectSubnets(network.inside).subnetIds, securityGroups: [network.tasks.securityGroupId] },
      logGroup: this.shared.logs[this.color].logGroupName,
      logStreamPrefix: migrationName,
    };
  }

  /** What the runner needs to know and do in this color, and no longer than the color exists. */
  private allowRunner(migration: ecs.FargateTaskDefinition): void {
    const roles = [this.tasks.taskRole.roleArn, this.tasks.executionRole.roleArn];
    grantFrom(this, 'RunnerRights', this.shared.runner.role, [
      { actions: useSecret, resources: [this.secret.secretArn, this.openSecret.secretArn] },
      {
        actions: ['ecs:RunTask'],
        resources: [this.formatArn({ service: 'ecs', resource: 'task-definition', resourceName: `${migration.family}:*` })],
        because: 'a migration is one task of whatever revision of its definition the color has',
      },
      { actions: ['iam:PassRole'], resources: roles, conditions: { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } } },
    ]);
  }
}

/** Of its ARN, which would take too much room in the manifest: what replaces a task definition keeps its family. */
const revisionOf = ({ taskDefinitionArn }: ecs.FargateTaskDefinition): string => Fn.select(6, Fn.split(':', taskDefinitionArn));
