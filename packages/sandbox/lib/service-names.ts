/** The services of the sandbox: what its own code calls them, and what the SDK and signatures do. */
export type ServiceName =
  | 'sts'
  | 'iam'
  | 'cloudformation'
  | 's3'
  | 'ssm'
  | 'secretsmanager'
  | 'ec2'
  | 'elbv2'
  | 'rds'
  | 'ecs'
  | 'lambda'
  | 'scheduler'
  | 'cloudwatch'
  | 'logs'
  | 'autoscaling';

/** A service of the sandbox: its SDK package, and the name in a signature's credential scope. */
export const SERVICES: Readonly<Record<ServiceName, { readonly client: string; readonly scope: string }>> = {
  sts: { client: 'client-sts', scope: 'sts' },
  iam: { client: 'client-iam', scope: 'iam' },
  cloudformation: { client: 'client-cloudformation', scope: 'cloudformation' },
  s3: { client: 'client-s3', scope: 's3' },
  ssm: { client: 'client-ssm', scope: 'ssm' },
  secretsmanager: { client: 'client-secrets-manager', scope: 'secretsmanager' },
  ec2: { client: 'client-ec2', scope: 'ec2' },
  elbv2: { client: 'client-elastic-load-balancing-v2', scope: 'elasticloadbalancing' },
  rds: { client: 'client-rds', scope: 'rds' },
  ecs: { client: 'client-ecs', scope: 'ecs' },
  lambda: { client: 'client-lambda', scope: 'lambda' },
  scheduler: { client: 'client-scheduler', scope: 'scheduler' },
  cloudwatch: { client: 'client-cloudwatch', scope: 'monitoring' },
  logs: { client: 'client-cloudwatch-logs', scope: 'logs' },
  autoscaling: { client: 'client-application-auto-scaling', scope: 'application-autoscaling' },
};
