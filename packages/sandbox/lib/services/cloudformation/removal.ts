/** Deletes resources: what an update left over, and all of a stack. */
import type { Sandbox } from '../../service';
import { handlerMessage, makeCall, type Run, Stopped } from './call';
import { reversed, walk } from './graph';
import type { Physical, Resource, Stack } from './records';
import type { Store } from './store';
import type { ResourceType } from './type';

export class Removal {
  constructor(
    private readonly sandbox: Sandbox,
    private readonly store: Store,
    private readonly types: (name: string) => ResourceType,
    /** Whether the sandbox stops: what fails then is no failure. */
    private readonly stopping: () => boolean,
  ) {}

  /** Deletes what an update left over. A failure here is told, and does not fail the update. */
  async cleanUp(stack: Stack, status: 'UPDATE_COMPLETE' | 'UPDATE_ROLLBACK_COMPLETE'): Promise<void> {
    this.store.status(stack, `${status}_CLEANUP_IN_PROGRESS`);
    const items = new Map(stack.cleanup.map((item, index) => [`${item.logicalId}#${index}`, item]));
    const keys = [...items.keys()];
    const graph = new Map(
      [...items].map(([key, item]) => [key, keys.filter((other) => item.dependsOn.includes(items.get(other)!.logicalId))]),
    );
    await walk(reversed(graph), async (key) => {
      const item = items.get(key)!;
      await this.destroy(stack, item, item.deletionPolicy, (event, reason) => this.store.event(stack, item, event, reason));
      stack.cleanup = stack.cleanup.filter((other) => other !== item);
      this.store.stacks.set(stack.id, stack);
      return true;
    });
    this.store.status(stack, status);
  }

  /** All resources of a stack, what needs another first. Answers the logical ids of those that stay though they should not. */
  async deleteResources(stack: Stack, policy: (resource: Resource) => string | undefined): Promise<string[]> {
    const table = this.store.resources(stack);
    const resources = new Map(
      table.entries().filter(([, resource]) => resource.status !== 'DELETE_COMPLETE' && resource.status !== 'DELETE_SKIPPED'),
    );
    const graph = new Map([...resources].map(([id, resource]) => [id, resource.dependsOn.filter((name) => resources.has(name))]));
    const failed: string[] = [];
    // leftovers of an update that never came to its end go first.
    for (const item of stack.cleanup)
      await this.destroy(stack, item, item.deletionPolicy, (event, reason) => this.store.event(stack, item, event, reason));
    stack.cleanup = [];
    await walk(reversed(graph), async (id) => {
      const resource = resources.get(id)!;
      const done = await this.destroy(stack, resource, policy(resource), (status, reason) =>
        this.store.resourceStatus(stack, resource, status, reason),
      );
      if (!done) failed.push(id);
      return done;
    });
    return failed;
  }

  /** Deletes one physical resource as its policy says; answers whether it is gone or deliberately kept. */
  private async destroy(
    stack: Stack,
    resource: Physical,
    policy: string | undefined,
    tell: (status: string, reason?: string) => void,
  ): Promise<boolean> {
    if (!resource.physicalId) {
      tell('DELETE_COMPLETE');
      return true;
    }
    if (policy === 'Retain') {
      tell('DELETE_SKIPPED');
      return true;
    }
    tell('DELETE_IN_PROGRESS');
    try {
      const run: Run = { cancelled: false, failed: [] };
      const call = makeCall(this.sandbox, stack, resource, run, policy === 'Snapshot', () => undefined);
      await this.types(resource.type).delete(call, { id: resource.physicalId, attributes: resource.attributes }, resource.properties);
      tell('DELETE_COMPLETE');
      return true;
    } catch (error) {
      if (error instanceof Stopped || this.stopping()) throw new Stopped();
      tell('DELETE_FAILED', handlerMessage(error as Error));
      return false;
    }
  }
}

/** A resource that the stack has no more: due for deletion when its operation has come to its end. */
export function discard(stack: Stack, resource: Physical, policy: string | undefined): void {
  const { deletionPolicy: _old, updateReplacePolicy: _other, ...rest } = physical(resource);
  stack.cleanup.push({ ...rest, ...(policy ? { deletionPolicy: policy } : {}) });
}

/** What is known of one physical resource. */
export const physical = ({
  logicalId,
  type,
  physicalId,
  properties,
  attributes,
  dependsOn,
  deletionPolicy,
  updateReplacePolicy,
}: Physical): Physical => ({
  logicalId,
  type,
  ...(physicalId ? { physicalId } : {}),
  properties,
  attributes,
  dependsOn,
  ...(deletionPolicy ? { deletionPolicy } : {}),
  ...(updateReplacePolicy ? { updateReplacePolicy } : {}),
});
