import * as cdk from 'aws-cdk-lib/core';
import { CfnResource, CustomResource } from 'aws-cdk-lib/core';
import { Construct, type IConstruct } from 'constructs';
import type { GuardProperties } from './properties';
import type { SystemStack } from './system-stack';

export interface GuardProps {
  /** The guard's function. */
  readonly serviceToken: string;
  readonly protects: GuardProperties['Protects'];
  /** What the stack is about, for messages: `release 2.0.0 (4f3c1d2)`. */
  readonly subject: string;
  /** Tells the live color from the order of its rules. */
  readonly listener?: { readonly arn: string; readonly firstPriority: number };
  /** The instance of a fallback stack. */
  readonly instance?: string;
  /** The system may vanish: deleting is never refused. */
  readonly deletable: boolean;
  /** Resources that the guard itself needs. */
  readonly without?: readonly Construct[];
}

/**
 * Asks before a stack changes. Two resources: every other resource depends on the first, so it is asked before anything
 * is created or updated; the second depends on every other resource, so it is the first to be deleted and its refusal
 * comes before anything is gone.
 */
export class Guard extends Construct {
  constructor(stack: SystemStack, props: GuardProps) {
    super(stack, 'Guard');
    const properties: Omit<GuardProperties, 'Asks'> = {
      System: stack.system,
      Part: stack.part,
      ...(stack.path === '' ? {} : { Path: stack.path }),
      Protects: props.protects,
      Subject: props.subject,
      ...(props.listener ? { Listener: props.listener.arn, FirstPriority: props.listener.firstPriority } : {}),
      ...(props.instance ? { Instance: props.instance } : {}),
      Deletable: props.deletable,
    };
    const resource = (id: string, resourceType: string, more: Record<string, string>) =>
      new CustomResource(this, id, { serviceToken: props.serviceToken, resourceType, properties: { ...properties, ...more } });

    const change = resource('Change', 'Custom::SwitchbackGuard', {
      Asks: 'change',
      Fingerprint: stack.fingerprint(() => [first, last]),
    });
    const deletion = resource('Deletion', 'Custom::SwitchbackDeletionGuard', { Asks: 'deletion' });
    const [first, last] = [cfn(change), cfn(deletion)];

    const own = new Set<IConstruct>([this, ...(props.without ?? [])].flatMap((construct) => construct.node.findAll()));
    // an aspect, so that what is added to the stack later is guarded too.
    cdk.Aspects.of(stack).add(
      {
        visit(node) {
          if (!CfnResource.isCfnResource(node) || own.has(node) || node.cfnResourceType === 'AWS::CDK::Metadata') return;
          node.addResourceDependency(first);
          last.addResourceDependency(node);
        },
      },
      // after every aspect that adds resources or changes them.
      { priority: cdk.AspectPriority.READONLY },
    );
    last.addResourceDependency(first);
  }
}

const cfn = (resource: CustomResource): CfnResource => resource.node.defaultChild as CfnResource;
