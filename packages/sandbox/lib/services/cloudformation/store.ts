/** Stacks, resources and events on disk, and finding them by name or ARN. */
import { randomUUID } from 'node:crypto';
import { AwsError, type Sandbox } from '../../service';
import type { Table } from '../../state';
import type { ChangeSet, Physical, Resource, Stack, StackEvent } from './records';
import { invalid } from './template';

export class Store {
  readonly stacks: Table<Stack>;
  readonly changeSets: Table<ChangeSet>;

  constructor(private readonly sandbox: Sandbox) {
    this.stacks = sandbox.table('cloudformation.stacks');
    this.changeSets = sandbox.table('cloudformation.changesets');
  }

  // a table is one file, written whole: one per stack keeps a large deployment from rewriting every other stack.
  resources(stack: Pick<Stack, 'id'>): Table<Resource> {
    return this.sandbox.table(`cloudformation.resources.${stack.id.split('/')[2]}`);
  }

  events(stack: Pick<Stack, 'id'>): Table<StackEvent> {
    return this.sandbox.table(`cloudformation.events.${stack.id.split('/')[2]}`);
  }

  resourceMap(stack: Pick<Stack, 'id'>): Map<string, Resource> {
    return new Map(this.resources(stack).entries());
  }

  /** The stack of that name, or of that ARN even when it is deleted. */
  find(nameOrId: string): Stack | undefined {
    return this.stacks.get(nameOrId) ?? this.stacks.values().find((stack) => stack.name === nameOrId && stack.status !== 'DELETE_COMPLETE');
  }

  require(nameOrId: string): Stack {
    const stack = this.find(nameOrId);
    if (!stack) throw invalid(`Stack with id ${nameOrId} does not exist`);
    return stack;
  }

  changeSet(name: string, stackName?: string): ChangeSet {
    const stackId = stackName ? this.find(stackName)?.id : undefined;
    const found = this.changeSets.get(name) ?? this.changeSets.values().find((set) => set.name === name && set.stackId === stackId);
    if (!found) throw new AwsError('ChangeSetNotFound', `ChangeSet [${name}] does not exist`, 404);
    return found;
  }

  /** The stack's status, stored and told as an event. */
  status(stack: Stack, status: string, reason?: string): void {
    stack.status = status;
    if (reason) stack.reason = reason;
    else delete stack.reason;
    this.stacks.set(stack.id, stack);
    this.event(stack, { logicalId: stack.name, physicalId: stack.id, type: 'AWS::CloudFormation::Stack', properties: {} }, status, reason);
  }

  /** A resource's status, stored and told as an event. */
  resourceStatus(stack: Stack, resource: Resource, status: string, reason?: string): void {
    resource.status = status;
    resource.updated = new Date();
    if (reason) resource.reason = reason;
    else delete resource.reason;
    this.resources(stack).set(resource.logicalId, resource);
    this.event(stack, resource, status, reason);
  }

  event(stack: Stack, resource: Pick<Physical, 'logicalId' | 'physicalId' | 'type' | 'properties'>, status: string, reason?: string): void {
    const id = randomUUID();
    this.sandbox.log(`cloudformation: ${stack.name} ${resource.logicalId} ${status}${reason ? `: ${reason}` : ''}`);
    this.events(stack).set(id, {
      EventId: id,
      StackId: stack.id,
      StackName: stack.name,
      LogicalResourceId: resource.logicalId,
      PhysicalResourceId: resource.physicalId ?? '',
      ResourceType: resource.type,
      Timestamp: new Date(),
      ResourceStatus: status,
      ...(reason ? { ResourceStatusReason: reason } : {}),
    });
  }

  /** What all stacks export now. */
  exports(): { readonly Name: string; readonly Value: string; readonly ExportingStackId: string }[] {
    return this.stacks
      .values()
      .filter((stack) => stack.status !== 'DELETE_COMPLETE')
      .flatMap((stack) =>
        stack.outputs.flatMap((output) =>
          output.ExportName ? [{ Name: output.ExportName, Value: output.OutputValue, ExportingStackId: stack.id }] : [],
        ),
      );
  }

  exportNamed(name: string): string {
    const found = this.exports().find((one) => one.Name === name);
    if (!found) throw invalid(`No export named ${name} found.`);
    return found.Value;
  }

  /** What `DescribeStacks` would answer; the words are its own where it refuses. */
  readonly outputOf = (stackName: string, outputName: string): string => {
    const found = this.require(stackName).outputs.find(({ OutputKey: key }) => key === outputName);
    if (!found) throw invalid(`Output ${outputName} of stack ${stackName} does not exist`);
    return found.OutputValue;
  };

  importers(exportName: string): Stack[] {
    return this.stacks.values().filter((stack) => stack.status !== 'DELETE_COMPLETE' && stack.imports.includes(exportName));
  }
}
