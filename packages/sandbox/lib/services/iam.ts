/** Identity and Access Management: roles and policies are kept and answered; nothing is ever denied. */
import type {
  AttachedPolicy,
  CreatePolicyRequest,
  CreateRoleRequest,
  ListPoliciesRequest,
  ListRolesRequest,
  Policy,
  PolicyVersion,
  Role,
  Tag,
  UpdateRoleRequest,
} from '@aws-sdk/client-iam';
import { AwsError, type Sandbox, type Service } from '../service';
import type { Table } from '../state';

interface RoleRow {
  role: Role;
  inline: Record<string, string>;
  attached: string[];
}

interface PolicyRow {
  policy: Policy & { Arn: string };
  versions: PolicyVersion[];
  next: number;
}

export const iam = (sandbox: Sandbox): Service => {
  const roles = sandbox.table<RoleRow>('iam.roles');
  const policies = sandbox.table<PolicyRow>('iam.policies');
  return { client: 'client-iam', handlers: { ...roleHandlers(sandbox, roles, policies), ...policyHandlers(sandbox, roles, policies) } };
};

type Named = { RoleName: string };

function roleHandlers(sandbox: Sandbox, roles: Table<RoleRow>, policies: Table<PolicyRow>): Service['handlers'] {
  const find = (name: string): RoleRow => found(roles.get(name), `The role with name ${name} cannot be found.`);
  const change = (name: string, apply: (row: RoleRow) => void): void => {
    const row = find(name);
    apply(row);
    roles.set(name, row);
  };
  return {
    CreateRole: (input: CreateRoleRequest) => {
      const name = checkName(input.RoleName, 64);
      checkDocument(input.AssumeRolePolicyDocument);
      if (roles.has(name)) throw new AwsError('EntityAlreadyExists', `Role with name ${name} already exists.`, 409);
      const path = input.Path ?? '/';
      const role: Role = {
        RoleName: name,
        Path: path,
        RoleId: `AROA${sandbox.id(17).toUpperCase()}`,
        Arn: `arn:aws:iam::${sandbox.account}:role${path}${name}`,
        CreateDate: new Date(),
        AssumeRolePolicyDocument: encodeURIComponent(input.AssumeRolePolicyDocument ?? ''),
        Description: input.Description,
        MaxSessionDuration: input.MaxSessionDuration ?? 3600,
        Tags: input.Tags ?? [],
        ...(input.PermissionsBoundary
          ? {
              PermissionsBoundary: {
                PermissionsBoundaryType: 'PermissionsBoundaryPolicy' as const,
                PermissionsBoundaryArn: input.PermissionsBoundary,
              },
            }
          : {}),
      };
      roles.set(name, { role, inline: {}, attached: [] });
      return { Role: role };
    },
    GetRole: (input: Named) => ({ Role: find(input.RoleName).role }),
    ListRoles: (input: ListRolesRequest) => ({
      Roles: roles
        .values()
        .map(({ role }) => role)
        .filter(({ Path }) => Path?.startsWith(input.PathPrefix ?? '/')),
      IsTruncated: false,
    }),
    UpdateRole: (input: UpdateRoleRequest) =>
      change(input.RoleName ?? '', ({ role }) => {
        role.Description = input.Description ?? role.Description;
        role.MaxSessionDuration = input.MaxSessionDuration ?? role.MaxSessionDuration;
      }),
    UpdateAssumeRolePolicy: (input: Named & { PolicyDocument: string }) => {
      checkDocument(input.PolicyDocument);
      change(input.RoleName, ({ role }) => {
        role.AssumeRolePolicyDocument = encodeURIComponent(input.PolicyDocument);
      });
    },
    DeleteRole: (input: Named) => {
      const row = find(input.RoleName);
      if (row.attached.length > 0) throw new AwsError('DeleteConflict', 'Cannot delete entity, must detach all policies first.', 409);
      if (Object.keys(row.inline).length > 0)
        throw new AwsError('DeleteConflict', 'Cannot delete entity, must delete policies first.', 409);
      roles.delete(input.RoleName);
    },
    PutRolePolicy: (input: Named & { PolicyName: string; PolicyDocument: string }) => {
      checkDocument(input.PolicyDocument);
      change(input.RoleName, (row) => {
        row.inline[input.PolicyName] = input.PolicyDocument;
      });
    },
    GetRolePolicy: (input: Named & { PolicyName: string }) => {
      const document = found(
        find(input.RoleName).inline[input.PolicyName],
        `The role policy with name ${input.PolicyName} cannot be found.`,
      );
      return { ...input, PolicyDocument: encodeURIComponent(document) };
    },
    ListRolePolicies: (input: Named) => ({ PolicyNames: Object.keys(find(input.RoleName).inline), IsTruncated: false }),
    DeleteRolePolicy: (input: Named & { PolicyName: string }) =>
      change(input.RoleName, (row) => {
        found(row.inline[input.PolicyName], `The role policy with name ${input.PolicyName} cannot be found.`);
        delete row.inline[input.PolicyName];
      }),
    AttachRolePolicy: (input: Named & { PolicyArn: string }) =>
      change(input.RoleName, (row) => {
        // AWS's own managed policies are all taken to exist.
        if (!input.PolicyArn.startsWith('arn:aws:iam::aws:'))
          found(policies.get(input.PolicyArn), `Policy ${input.PolicyArn} does not exist.`);
        if (!row.attached.includes(input.PolicyArn)) row.attached.push(input.PolicyArn);
      }),
    DetachRolePolicy: (input: Named & { PolicyArn: string }) =>
      change(input.RoleName, (row) => {
        if (!row.attached.includes(input.PolicyArn)) throw new AwsError('NoSuchEntity', `Policy ${input.PolicyArn} was not found.`, 404);
        row.attached = row.attached.filter((arn) => arn !== input.PolicyArn);
      }),
    ListAttachedRolePolicies: (input: Named) => ({
      AttachedPolicies: find(input.RoleName).attached.map(
        (PolicyArn): AttachedPolicy => ({ PolicyArn, PolicyName: PolicyArn.split('/').at(-1) }),
      ),
      IsTruncated: false,
    }),
    ListInstanceProfilesForRole: (input: Named) => find(input.RoleName) && { InstanceProfiles: [], IsTruncated: false },
    TagRole: (input: Named & { Tags: Tag[] }) =>
      change(input.RoleName, ({ role }) => {
        const keys = new Set(input.Tags.map(({ Key }) => Key));
        role.Tags = [...(role.Tags ?? []).filter(({ Key }) => !keys.has(Key)), ...input.Tags];
      }),
    UntagRole: (input: Named & { TagKeys: string[] }) =>
      change(input.RoleName, ({ role }) => {
        role.Tags = (role.Tags ?? []).filter(({ Key }) => !input.TagKeys.includes(Key ?? ''));
      }),
    ListRoleTags: (input: Named) => ({ Tags: find(input.RoleName).role.Tags, IsTruncated: false }),
  };
}

type ByArn = { PolicyArn: string };

function policyHandlers(sandbox: Sandbox, roles: Table<RoleRow>, policies: Table<PolicyRow>): Service['handlers'] {
  const find = (arn: string): PolicyRow => found(policies.get(arn), `Policy ${arn} was not found.`);
  const users = (arn: string): number => roles.values().filter(({ attached }) => attached.includes(arn)).length;
  const answered = ({ policy }: PolicyRow): Policy => ({ ...policy, AttachmentCount: users(policy.Arn) });
  const addVersion = (row: PolicyRow, document: string | undefined): PolicyVersion => {
    checkDocument(document);
    const version: PolicyVersion = {
      VersionId: `v${row.next++}`,
      IsDefaultVersion: false,
      CreateDate: new Date(),
      Document: encodeURIComponent(document ?? ''),
    };
    row.versions.push(version);
    return version;
  };
  const setDefault = (row: PolicyRow, id: string): void => {
    found(
      row.versions.find(({ VersionId }) => VersionId === id),
      `Policy ${row.policy.Arn} version ${id} does not exist.`,
    );
    for (const version of row.versions) version.IsDefaultVersion = version.VersionId === id;
    row.policy.DefaultVersionId = id;
    row.policy.UpdateDate = new Date();
    policies.set(row.policy.Arn, row);
  };
  return {
    CreatePolicy: (input: CreatePolicyRequest) => {
      const name = checkName(input.PolicyName, 128);
      const path = input.Path ?? '/';
      const arn = `arn:aws:iam::${sandbox.account}:policy${path}${name}`;
      if (policies.has(arn))
        throw new AwsError('EntityAlreadyExists', `A policy called ${name} already exists. Duplicate names are not allowed.`, 409);
      const policy = {
        PolicyName: name,
        PolicyId: `ANPA${sandbox.id(17).toUpperCase()}`,
        Arn: arn,
        Path: path,
        Description: input.Description,
        IsAttachable: true,
        CreateDate: new Date(),
        Tags: input.Tags ?? [],
      };
      const row: PolicyRow = { policy, versions: [], next: 1 };
      addVersion(row, input.PolicyDocument);
      setDefault(row, 'v1');
      return { Policy: answered(row) };
    },
    GetPolicy: (input: ByArn) => ({ Policy: answered(find(input.PolicyArn)) }),
    ListPolicies: (input: ListPoliciesRequest) => ({
      Policies: policies
        .values()
        .map(answered)
        .filter(({ Path, AttachmentCount }) => Path?.startsWith(input.PathPrefix ?? '/') && (!input.OnlyAttached || AttachmentCount)),
      IsTruncated: false,
    }),
    DeletePolicy: (input: ByArn) => {
      const row = find(input.PolicyArn);
      if (users(input.PolicyArn) > 0) throw new AwsError('DeleteConflict', 'Cannot delete a policy attached to entities.', 409);
      if (row.versions.length > 1)
        throw new AwsError(
          'DeleteConflict',
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions.",
          409,
        );
      policies.delete(input.PolicyArn);
    },
    CreatePolicyVersion: (input: ByArn & { PolicyDocument: string; SetAsDefault?: boolean }) => {
      const row = find(input.PolicyArn);
      if (row.versions.length >= 5) throw new AwsError('LimitExceeded', 'A managed policy can have up to 5 versions.', 409);
      const version = addVersion(row, input.PolicyDocument);
      if (input.SetAsDefault) setDefault(row, version.VersionId ?? '');
      policies.set(input.PolicyArn, row);
      return { PolicyVersion: version };
    },
    GetPolicyVersion: (input: ByArn & { VersionId: string }) => ({
      PolicyVersion: found(
        find(input.PolicyArn).versions.find(({ VersionId }) => VersionId === input.VersionId),
        `Policy ${input.PolicyArn} version ${input.VersionId} does not exist.`,
      ),
    }),
    ListPolicyVersions: (input: ByArn) => ({ Versions: find(input.PolicyArn).versions, IsTruncated: false }),
    SetDefaultPolicyVersion: (input: ByArn & { VersionId: string }) => setDefault(find(input.PolicyArn), input.VersionId),
    DeletePolicyVersion: (input: ByArn & { VersionId: string }) => {
      const row = find(input.PolicyArn);
      if (row.policy.DefaultVersionId === input.VersionId)
        throw new AwsError('DeleteConflict', 'Cannot delete the default version of a policy.', 409);
      row.versions = row.versions.filter(({ VersionId }) => VersionId !== input.VersionId);
      policies.set(input.PolicyArn, row);
    },
  };
}

function found<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new AwsError('NoSuchEntity', message, 404);
  return value;
}

function checkName(name: string | undefined, most: number): string {
  if (name && name.length <= most && /^[\w+=,.@-]+$/.test(name)) return name;
  throw new AwsError(
    'ValidationError',
    `The specified value for the name is invalid: ${name} (at most ${most} of letters, digits and _+=,.@-)`,
  );
}

function checkDocument(document: string | undefined): void {
  try {
    JSON.parse(document ?? '');
  } catch {
    throw new AwsError('MalformedPolicyDocument', 'This policy contains invalid Json');
  }
}
