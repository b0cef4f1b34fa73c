import { createHash } from 'node:crypto';
import { CfnResource, Fn, Lazy, Stack, type StackProps } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';

/** A stack of a system: knows its own content, and never asks an account for anything at synth. */
export abstract class SystemStack extends Stack {
  /** @internal */
  constructor(
    scope: Construct,
    readonly part: string,
    readonly system: string,
    props: StackProps,
  ) {
    super(scope, part, { stackName: `${system}-${part}`, ...props });
  }

  /** Where the app has the system's stacks, which are made side by side: `Prod`; empty at its root. @internal */
  get path(): string {
    return this.node.path.split('/').slice(0, -1).join('/');
  }

  // the inherited list is looked up in the account as soon as account and region are given.
  override get availabilityZones(): string[] {
    return [Fn.select(0, Fn.getAzs()), Fn.select(1, Fn.getAzs())];
  }

  /** A hash of every resource but those in `without`; another one means that a deploy would change something. @internal */
  fingerprint(without: () => readonly CfnResource[]): string {
    return Lazy.uncachedString({
      produce: (context) => {
        // the library looks for references first, several times over: only the last answer counts.
        if (context.preparing) return 'preparing';
        const left = new Set(without());
        const content = this.resources()
          .filter((resource) => !left.has(resource))
          // marked internal in the library; it is what the library itself writes templates from.
          .map((resource) => this.resolve((resource as unknown as { _toCloudFormation(): unknown })._toCloudFormation()));
        return createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32);
      },
    });
  }

  /** Every resource of the stack, apart from the CDK's own note about its version. @internal */
  resources(): CfnResource[] {
    return this.node
      .findAll()
      .filter((node): node is CfnResource => CfnResource.isCfnResource(node) && node.cfnResourceType !== 'AWS::CDK::Metadata');
  }
}
