import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Duration } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { acknowledge } from './permissions';

export interface TaskFactoryProps {
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, ecs.Secret>>;
  readonly logs: logs.ILogGroup;
}

export interface TaskOptions {
  readonly name: string;
  readonly image: ecs.ContainerImage;
  readonly command: readonly string[] | undefined;
  readonly cpu: number;
  readonly memory: number;
  /** Its key `url` becomes DATABASE_URL. */
  readonly database: secretsmanager.ISecret;
  readonly port?: number;
  readonly stopTimeout?: Duration;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Task definitions of one color: what is the same in all of them is said once. */
export class TaskFactory extends Construct {
  /** What tasks may do on AWS; nothing until somebody grants it. */
  readonly taskRole: iam.Role;
  readonly executionRole: iam.Role;

  /** @internal */
  constructor(
    scope: Construct,
    id: string,
    private readonly props: TaskFactoryProps,
  ) {
    super(scope, id);
    const assumedBy = new iam.ServicePrincipal('ecs-tasks.amazonaws.com');
    this.taskRole = new iam.Role(this, 'TaskRole', { assumedBy, description: 'What the tasks of a color may do' });
    this.executionRole = new iam.Role(this, 'ExecutionRole', {
      assumedBy,
      description: 'Starts the tasks of a color: pulls images, reads secrets, writes logs',
    });
  }

  /** @internal */
  make(options: TaskOptions): ecs.FargateTaskDefinition {
    const definition = new ecs.FargateTaskDefinition(this, options.name, {
      cpu: options.cpu,
      memoryLimitMiB: options.memory,
      taskRole: this.taskRole,
      executionRole: this.executionRole,
    });
    definition.addContainer(options.name, {
      containerName: options.name,
      image: options.image,
      ...(options.command ? { command: [...options.command] } : {}),
      environment: { ...this.props.environment, ...options.environment, ...(options.port ? { PORT: String(options.port) } : {}) },
      secrets: { ...this.props.secrets, DATABASE_URL: ecs.Secret.fromSecretsManager(options.database, 'url') },
      logging: ecs.LogDrivers.awsLogs({ streamPrefix: options.name, logGroup: this.props.logs }),
      ...(options.port ? { portMappings: [{ containerPort: options.port }] } : {}),
      ...(options.stopTimeout ? { stopTimeout: options.stopTimeout } : {}),
    });
    acknowledge(
      definition,
      'ECS2',
      'what a release is and where it runs, in the template so that git shows it; secrets come from Secrets Manager',
    );
    return definition;
  }
}
