/** IAM roles and policies. Nothing here enforces them; the API answers what was put in. */
import type { Properties } from '../records';
import { changed, gone, type ResourceCall, type ResourceType } from '../type';

const json = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const names = (properties: Properties, key: string): string[] => properties[key] ?? [];

async function roleParts(role: string, properties: Properties, before: Properties, call: ResourceCall): Promise<void> {
  const arns = names(properties, 'ManagedPolicyArns');
  for (const arn of arns.filter((one) => !names(before, 'ManagedPolicyArns').includes(one)))
    await call.send('iam', 'AttachRolePolicy', { RoleName: role, PolicyArn: arn });
  for (const arn of names(before, 'ManagedPolicyArns').filter((one) => !arns.includes(one)))
    await gone(call.send('iam', 'DetachRolePolicy', { RoleName: role, PolicyArn: arn }));
  const policies = (properties['Policies'] ?? []) as Properties[];
  for (const policy of policies)
    await call.send('iam', 'PutRolePolicy', {
      RoleName: role,
      PolicyName: policy['PolicyName'],
      PolicyDocument: json(policy['PolicyDocument']),
    });
  for (const policy of ((before['Policies'] ?? []) as Properties[]).filter(
    (old) => !policies.some((one) => one['PolicyName'] === old['PolicyName']),
  ))
    await gone(call.send('iam', 'DeleteRolePolicy', { RoleName: role, PolicyName: policy['PolicyName'] }));
}

const role: ResourceType = {
  createOnly: ['Path', 'RoleName'],
  async create(properties, call) {
    const id = properties['RoleName'] ?? call.name(64);
    const { Role: made } = await call.send('iam', 'CreateRole', {
      ...properties,
      RoleName: id,
      AssumeRolePolicyDocument: json(properties['AssumeRolePolicyDocument']),
      Tags: call.tags(properties['Tags']),
    });
    call.started(id);
    await roleParts(id, properties, {}, call);
    return { id, attributes: { Arn: made.Arn, RoleId: made.RoleId } };
  },
  async update(properties, call, made, before) {
    if (changed(before, properties, 'AssumeRolePolicyDocument'))
      await call.send('iam', 'UpdateAssumeRolePolicy', { RoleName: made.id, PolicyDocument: json(properties['AssumeRolePolicyDocument']) });
    if (changed(before, properties, 'Description', 'MaxSessionDuration'))
      await call.send('iam', 'UpdateRole', { ...properties, RoleName: made.id });
    await roleParts(made.id, properties, before, call);
    return made;
  },
  async delete(call, { id }, properties) {
    await roleParts(id, {}, properties, call);
    await gone(call.send('iam', 'DeleteRole', { RoleName: id }));
  },
};

/** An inline policy on roles. Users and groups do not exist in the sandbox. */
const policy: ResourceType = {
  createOnly: [],
  async create(properties, call) {
    await putPolicy(properties, {}, call);
    const id = call.name(128);
    return { id, attributes: { Id: id } };
  },
  async update(properties, call, made, before) {
    await putPolicy(properties, before, call);
    return made;
  },
  delete: (call, _made, properties) => putPolicy({}, properties, call),
};

async function putPolicy(properties: Properties, before: Properties, call: ResourceCall): Promise<void> {
  const name = properties['PolicyName'];
  for (const role of names(properties, 'Roles'))
    await call.send('iam', 'PutRolePolicy', { RoleName: role, PolicyName: name, PolicyDocument: json(properties['PolicyDocument']) });
  const old = before['PolicyName'];
  for (const role of names(before, 'Roles').filter((one) => old !== name || !names(properties, 'Roles').includes(one)))
    await gone(call.send('iam', 'DeleteRolePolicy', { RoleName: role, PolicyName: old }));
}

const managedPolicy: ResourceType = {
  createOnly: ['ManagedPolicyName', 'Path', 'Description'],
  async create(properties, call) {
    const { Policy: made } = await call.send('iam', 'CreatePolicy', {
      ...properties,
      PolicyName: properties['ManagedPolicyName'] ?? call.name(128),
      PolicyDocument: json(properties['PolicyDocument']),
    });
    call.started(made.Arn);
    for (const role of names(properties, 'Roles')) await call.send('iam', 'AttachRolePolicy', { RoleName: role, PolicyArn: made.Arn });
    return { id: made.Arn, attributes: { PolicyArn: made.Arn, PolicyId: made.PolicyId } };
  },
  async update(properties, call, made, before) {
    if (changed(before, properties, 'PolicyDocument'))
      await call.send('iam', 'CreatePolicyVersion', {
        PolicyArn: made.id,
        PolicyDocument: json(properties['PolicyDocument']),
        SetAsDefault: true,
      });
    for (const role of names(properties, 'Roles').filter((one) => !names(before, 'Roles').includes(one)))
      await call.send('iam', 'AttachRolePolicy', { RoleName: role, PolicyArn: made.id });
    for (const role of names(before, 'Roles').filter((one) => !names(properties, 'Roles').includes(one)))
      await gone(call.send('iam', 'DetachRolePolicy', { RoleName: role, PolicyArn: made.id }));
    return made;
  },
  async delete(call, { id }, properties) {
    for (const role of names(properties, 'Roles')) await gone(call.send('iam', 'DetachRolePolicy', { RoleName: role, PolicyArn: id }));
    await gone(call.send('iam', 'DeletePolicy', { PolicyArn: id }));
  },
};

export const iamTypes: Readonly<Record<string, ResourceType>> = {
  'AWS::IAM::Role': role,
  'AWS::IAM::Policy': policy,
  'AWS::IAM::ManagedPolicy': managedPolicy,
};
