/** Every service of the sandbox, made in one place. */
import type { Sandbox, Service } from '../service';
import type { ServiceName } from '../service-names';
import { autoscaling } from './autoscaling';
import { cloudformation } from './cloudformation';
import { cloudwatch } from './cloudwatch';
import { ec2 } from './ec2';
import { ecs } from './ecs';
import { elbv2 } from './elbv2';
import { iam } from './iam';
import { lambda } from './lambda';
import { logs } from './logs';
import { rds } from './rds';
import { s3 } from './s3';
import { scheduler } from './scheduler';
import { secretsmanager } from './secretsmanager';
import { ssm } from './ssm';
import { sts } from './sts';

const FACTORIES: Readonly<Record<ServiceName, (sandbox: Sandbox) => Service>> = {
  autoscaling,
  cloudformation,
  cloudwatch,
  ec2,
  ecs,
  elbv2,
  iam,
  lambda,
  logs,
  rds,
  s3,
  scheduler,
  secretsmanager,
  ssm,
  sts,
};

/** Databases first, then what stands in front of tasks, then the tasks, then the rest. Stopped in the opposite order. */
const START_ORDER: readonly ServiceName[] = [
  'rds',
  'elbv2',
  'ecs',
  'lambda',
  'scheduler',
  'cloudwatch',
  'logs',
  'autoscaling',
  'cloudformation',
  's3',
  'ssm',
  'secretsmanager',
  'ec2',
  'iam',
  'sts',
];

/** In the order in which they start. */
export function makeServices(sandbox: Sandbox): ReadonlyMap<ServiceName, Service> {
  return new Map(START_ORDER.map((name) => [name, FACTORIES[name](sandbox)]));
}
