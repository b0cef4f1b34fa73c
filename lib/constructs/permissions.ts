import * as iam from 'aws-cdk-lib/aws-iam';
import { Stack, Validations } from 'aws-cdk-lib/core';
import type { Construct, IConstruct } from 'constructs';

/** What somebody may do. Wildcards need a reason, which is also what a reviewer reads instead of a finding. */
export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Record<string, unknown>;
  readonly because?: string;
}

/** Gives a role its rights, and acknowledges each wildcard among them with its reason. */
export function grant(role: iam.Role, permissions: readonly Permission[]): void {
  for (const right of permissions) {
    role.addToPolicy(statementOf(right));
    explain(role, right);
  }
}

/** The same for a role of another stack, as long as this stack exists. */
export function grantFrom(scope: Construct, id: string, role: iam.IRole, permissions: readonly Permission[]): iam.Policy {
  const policy = new iam.Policy(scope, id, { roles: [role], statements: permissions.map(statementOf) });
  for (const right of permissions) explain(policy, right);
  return policy;
}

/** Acknowledges one finding of cdk-nag's AwsSolutions. */
export const acknowledge = (construct: IConstruct, rule: string, reason: string): void =>
  Validations.of(construct).acknowledge({ id: `AwsSolutions::AwsSolutions-${rule}`, reason });

const statementOf = ({ actions, resources, conditions }: Permission): iam.PolicyStatement =>
  new iam.PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions ? { conditions } : {}) });

function explain(construct: IConstruct, { actions, resources, because }: Permission): void {
  for (const resource of resources) {
    const text = flat(Stack.of(construct).resolve(resource));
    if (!text.includes('*')) continue;
    if (because === undefined) throw new Error(`the right to ${actions.join(', ')} on ${text} needs a reason`);
    acknowledge(construct, `IAM5[Resource::${text}]`, because);
  }
}

/** An ARN as cdk-nag writes it, with `<LogicalId>` for what is known only when deployed. */
function flat(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[kind, content] = []] = Object.entries(value as object);
  if (kind === 'Fn::Join') return (content as [string, unknown[]])[1].map(flat).join((content as [string])[0]);
  if (kind === 'Ref') return `<${content}>`;
  if (kind === 'Fn::GetAtt') return `<${(content as string[]).join('.')}>`;
  if (kind === 'Fn::ImportValue') return flat(content);
  return JSON.stringify(value);
}
