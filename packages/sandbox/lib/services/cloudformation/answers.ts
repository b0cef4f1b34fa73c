/** The stored records in the shapes that the operations answer. */
import type { ChangeSet, Resource, Stack, Target } from './records';
import { parseTemplate, plain } from './template';

const pageSize = 100;

/** What a template asks for: GetTemplateSummary and ValidateTemplate. */
export function described(body: string) {
  const template = parseTemplate(body);
  return {
    Description: template.Description,
    Parameters: Object.entries(template.Parameters ?? {}).map(([ParameterKey, definition]) => ({
      ParameterKey,
      ParameterType: definition.Type,
      DefaultValue: definition.Default === undefined ? undefined : plain(definition.Default),
      NoEcho: String(definition.NoEcho) === 'true',
      Description: definition.Description,
    })),
    ResourceTypes: [...new Set(Object.values(template.Resources).map((resource) => resource.Type))],
    Capabilities: Object.values(template.Resources).some((resource) => resource.Type.startsWith('AWS::IAM::'))
      ? ['CAPABILITY_NAMED_IAM']
      : [],
    ResourceIdentifierSummaries: [],
  };
}

export const parameterOutput = (parameter: Target['parameters'][number]) => ({
  ParameterKey: parameter.key,
  ParameterValue: parameter.noEcho ? '****' : parameter.value,
  ...(parameter.resolved === parameter.value ? {} : { ResolvedValue: parameter.resolved }),
});

export const stackOutput = (stack: Stack) => ({
  StackId: stack.id,
  StackName: stack.name,
  Description: stack.target ? parseTemplate(stack.target.body).Description : undefined,
  Parameters: (stack.target?.parameters ?? []).map(parameterOutput),
  CreationTime: stack.created,
  LastUpdatedTime: stack.updated,
  DeletionTime: stack.deleted,
  RollbackConfiguration: {},
  StackStatus: stack.status,
  StackStatusReason: stack.reason,
  DisableRollback: stack.disableRollback,
  NotificationARNs: stack.target?.notificationArns ?? [],
  Capabilities: stack.target?.capabilities ?? [],
  Outputs: stack.outputs,
  RoleARN: stack.roleArn,
  Tags: stack.target?.tags ?? [],
  EnableTerminationProtection: stack.terminationProtection,
  DriftInformation: { StackDriftStatus: 'NOT_CHECKED' },
});

export const resourceOutput = (stack: Stack, resource: Resource) => ({
  StackName: stack.name,
  StackId: stack.id,
  LogicalResourceId: resource.logicalId,
  PhysicalResourceId: resource.physicalId,
  ResourceType: resource.type,
  ResourceStatus: resource.status,
  ResourceStatusReason: resource.reason,
  DriftInformation: { StackResourceDriftStatus: 'NOT_CHECKED' },
});

export const summary = (set: ChangeSet) => ({
  ChangeSetId: set.id,
  ChangeSetName: set.name,
  StackId: set.stackId,
  StackName: set.stackName,
  Description: set.description,
  CreationTime: set.created,
  Status: set.status,
  ExecutionStatus: set.executionStatus,
  StatusReason: set.reason,
});

/** One page of a list, and the token of the next. */
export function page<T>(items: T[], token: string | undefined): [T[], { NextToken?: string }] {
  const start = Number(token ?? 0);
  const end = start + pageSize;
  return [items.slice(start, end), end < items.length ? { NextToken: String(end) } : {}];
}
