/** Functions, and what calls or scales on its own: Lambda, EventBridge Scheduler, Application Auto Scaling. */
import { zipSync } from 'fflate';
import type { Properties } from '../records';
import { changed, gone, type ResourceCall, type ResourceType } from '../type';

// code given inline is a text; Lambda takes zips.
function code(properties: Properties): Properties {
  const given = (properties['Code'] ?? {}) as Properties;
  if (typeof given['ZipFile'] !== 'string') return given;
  const name = String(properties['Runtime'] ?? '').startsWith('python') ? 'index.py' : 'index.js';
  return { ZipFile: zipSync({ [name]: Buffer.from(given['ZipFile']) }) };
}

const configuration = [
  'Description',
  'Environment',
  'EphemeralStorage',
  'Handler',
  'KmsKeyArn',
  'Layers',
  'LoggingConfig',
  'MemorySize',
  'Role',
  'Runtime',
  'Timeout',
  'TracingConfig',
  'VpcConfig',
  'DeadLetterConfig',
];

const lambdaFunction: ResourceType = {
  createOnly: ['FunctionName', 'PackageType'],
  async create(properties, call) {
    const id = properties['FunctionName'] ?? call.name(64);
    const tags = Object.fromEntries(call.tags(properties['Tags']).map((tag) => [tag.Key, tag.Value]));
    const made = await call.send('lambda', 'CreateFunction', { ...properties, FunctionName: id, Code: code(properties), Tags: tags });
    call.started(id);
    await active(id, call);
    await concurrency(id, properties, {}, call);
    return { id, attributes: { Arn: made.FunctionArn } };
  },
  async update(properties, call, made, before) {
    if (changed(before, properties, ...configuration)) {
      const reset = before['Environment'] && !properties['Environment'] ? { Environment: { Variables: {} } } : {};
      await call.send('lambda', 'UpdateFunctionConfiguration', { ...properties, ...reset, FunctionName: made.id });
      await active(made.id, call);
    }
    if (changed(before, properties, 'Code', 'Architectures')) {
      await call.send('lambda', 'UpdateFunctionCode', {
        ...code(properties),
        Architectures: properties['Architectures'],
        FunctionName: made.id,
      });
      await active(made.id, call);
    }
    await concurrency(made.id, properties, before, call);
    return made;
  },
  delete: (call, { id }) => gone(call.send('lambda', 'DeleteFunction', { FunctionName: id })),
};

async function active(id: string, call: ResourceCall): Promise<void> {
  await call.until('the function to be active', async () => {
    const { Configuration: found } = await call.send('lambda', 'GetFunction', { FunctionName: id });
    if (found.State === 'Failed' || found.LastUpdateStatus === 'Failed')
      throw Object.assign(new Error(`function ${id}: ${found.StateReason ?? found.LastUpdateStatusReason}`), { name: 'NotStabilized' });
    return (found.State ?? 'Active') === 'Active' && found.LastUpdateStatus !== 'InProgress' ? true : undefined;
  });
}

async function concurrency(id: string, properties: Properties, before: Properties, call: ResourceCall): Promise<void> {
  if (!changed(before, properties, 'ReservedConcurrentExecutions')) return;
  const wanted = properties['ReservedConcurrentExecutions'];
  if (wanted === undefined) await call.send('lambda', 'DeleteFunctionConcurrency', { FunctionName: id });
  else await call.send('lambda', 'PutFunctionConcurrency', { FunctionName: id, ReservedConcurrentExecutions: wanted });
}

const permission: ResourceType = {
  createOnly: [
    'Action',
    'EventSourceToken',
    'FunctionName',
    'FunctionUrlAuthType',
    'Principal',
    'PrincipalOrgID',
    'SourceAccount',
    'SourceArn',
  ],
  async create(properties, call) {
    const id = call.name(100);
    await call.send('lambda', 'AddPermission', { ...properties, StatementId: id });
    return { id, attributes: { Id: id } };
  },
  delete: (call, { id }, properties) =>
    gone(call.send('lambda', 'RemovePermission', { FunctionName: properties['FunctionName'], StatementId: id })),
};

const invokeConfig: ResourceType = {
  createOnly: ['FunctionName', 'Qualifier'],
  async create(properties, call) {
    await call.send('lambda', 'PutFunctionEventInvokeConfig', { ...properties, Qualifier: qualifier(properties) });
    return { id: `${properties['FunctionName']}|${properties['Qualifier']}` };
  },
  async update(properties, call, made) {
    await call.send('lambda', 'PutFunctionEventInvokeConfig', { ...properties, Qualifier: qualifier(properties) });
    return made;
  },
  delete: (call, _made, properties) =>
    gone(
      call.send('lambda', 'DeleteFunctionEventInvokeConfig', {
        FunctionName: properties['FunctionName'],
        Qualifier: qualifier(properties),
      }),
    ),
};

const qualifier = (properties: Properties): string | undefined =>
  properties['Qualifier'] === '$LATEST' ? undefined : properties['Qualifier'];

// ---- EventBridge Scheduler

const schedule: ResourceType = {
  createOnly: ['Name'],
  async create(properties, call) {
    const id = properties['Name'] ?? call.name(64);
    const { ScheduleArn: arn } = await call.send('scheduler', 'CreateSchedule', { ...properties, Name: id });
    return { id, attributes: { Arn: arn } };
  },
  async update(properties, call, made) {
    await call.send('scheduler', 'UpdateSchedule', { ...properties, Name: made.id });
    return made;
  },
  delete: (call, { id }, properties) => gone(call.send('scheduler', 'DeleteSchedule', { Name: id, GroupName: properties['GroupName'] })),
};

const scheduleGroup: ResourceType = {
  createOnly: ['Name'],
  async create(properties, call) {
    const id = properties['Name'] ?? call.name(64);
    const { ScheduleGroupArn: arn } = await call.send('scheduler', 'CreateScheduleGroup', { Name: id });
    return { id, attributes: { Arn: arn, State: 'ACTIVE' } };
  },
  delete: (call, { id }) => gone(call.send('scheduler', 'DeleteScheduleGroup', { Name: id })),
};

// ---- Application Auto Scaling

const scalableTarget: ResourceType = {
  createOnly: ['ResourceId', 'ScalableDimension', 'ServiceNamespace'],
  async create(properties, call) {
    await call.send('autoscaling', 'RegisterScalableTarget', { ...properties, Tags: undefined });
    const id = [properties['ResourceId'], properties['ScalableDimension'], properties['ServiceNamespace']].join('|');
    return { id, attributes: { Id: id } };
  },
  async update(properties, call, made) {
    await call.send('autoscaling', 'RegisterScalableTarget', { ...properties, Tags: undefined });
    return made;
  },
  delete: (call, _made, properties) => gone(call.send('autoscaling', 'DeregisterScalableTarget', properties)),
};

// a policy names its target by the target's Ref or by its three parts.
function target(properties: Properties): Properties {
  const [ResourceId, ScalableDimension, ServiceNamespace] = String(properties['ScalingTargetId'] ?? '').split('|');
  return properties['ScalingTargetId'] ? { ResourceId, ScalableDimension, ServiceNamespace } : {};
}

const scalingPolicy: ResourceType = {
  createOnly: ['PolicyName', 'ResourceId', 'ScalableDimension', 'ScalingTargetId', 'ServiceNamespace'],
  async create(properties, call) {
    const { PolicyARN: arn } = await call.send('autoscaling', 'PutScalingPolicy', { ...properties, ...target(properties) });
    return { id: arn, attributes: { Arn: arn } };
  },
  async update(properties, call, made) {
    await call.send('autoscaling', 'PutScalingPolicy', { ...properties, ...target(properties) });
    return made;
  },
  delete: (call, _made, properties) => gone(call.send('autoscaling', 'DeleteScalingPolicy', { ...properties, ...target(properties) })),
};

export const lambdaTypes: Readonly<Record<string, ResourceType>> = {
  'AWS::Lambda::Function': lambdaFunction,
  'AWS::Lambda::Permission': permission,
  'AWS::Lambda::EventInvokeConfig': invokeConfig,
  'AWS::Scheduler::Schedule': schedule,
  'AWS::Scheduler::ScheduleGroup': scheduleGroup,
  'AWS::ApplicationAutoScaling::ScalableTarget': scalableTarget,
  'AWS::ApplicationAutoScaling::ScalingPolicy': scalingPolicy,
};
