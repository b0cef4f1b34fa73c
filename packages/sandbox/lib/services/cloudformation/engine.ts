/** Creates, updates, rolls back and deletes stacks, and tells each step as an event. */
import type { Sandbox } from '../../service';
import { Cancelled, handlerMessage, makeCall, type Run, Stopped } from './call';
import { dependencies, walk } from './graph';
import { Evaluator, resolveSecrets } from './intrinsics';
import { importersOf, setOutputs } from './outputs';
import { canonical, difference, isCustom } from './plan';
import type { Properties, Resource, Stack, Target } from './records';
import { discard, physical, Removal } from './removal';
import type { Store } from './store';
import { invalid, parseTemplate } from './template';
import type { Made, ResourceCall, ResourceType } from './type';

interface Applied {
  readonly problem?: string;
  /** The logical ids that belong to the stack now. */
  readonly ids: ReadonlySet<string>;
}

export class Engine {
  private stopping = false;
  private readonly running = new Set<Promise<void>>();
  private readonly removal: Removal;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly store: Store,
    private readonly types: (name: string) => ResourceType,
  ) {
    this.removal = new Removal(sandbox, store, types, () => this.stopping);
  }

  /** Lets an operation run on its own; a mistake in the engine itself must not leave the stack in progress for ever. */
  begin(stack: Stack, operation: () => Promise<void>): void {
    const work = operation().catch((error: Error) => {
      if (error instanceof Stopped || this.stopping) return;
      const failed = stack.status.replace('_CLEANUP_IN_PROGRESS', '_IN_PROGRESS').replace('_IN_PROGRESS', '_FAILED');
      this.store.status(stack, failed, `Internal failure of the sandbox: ${error.stack ?? error.message}`);
    });
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.allSettled(this.running);
  }

  /** Takes up what a stopped sandbox left: creates and updates are rolled back, everything else goes on. */
  recover(): void {
    const reason = 'The sandbox was stopped while this operation ran.';
    for (const stack of this.store.stacks.values()) {
      const table = this.store.resources(stack);
      if (!/_IN_PROGRESS$/.test(stack.status) || stack.status === 'REVIEW_IN_PROGRESS') continue;
      for (const resource of table.values())
        if (resource.status.endsWith('_IN_PROGRESS'))
          this.store.resourceStatus(stack, resource, resource.status.replace('_IN_PROGRESS', '_FAILED'), reason);
      if (stack.status === 'CREATE_IN_PROGRESS' || stack.status === 'ROLLBACK_IN_PROGRESS')
        this.begin(stack, () => this.rollbackCreate(stack, reason));
      else if (stack.status === 'DELETE_IN_PROGRESS') this.begin(stack, () => this.delete(stack));
      else if (stack.status === 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS')
        this.begin(stack, () => this.removal.cleanUp(stack, 'UPDATE_COMPLETE'));
      else if (stack.status === 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS')
        this.begin(stack, () => this.removal.cleanUp(stack, 'UPDATE_ROLLBACK_COMPLETE'));
      else this.begin(stack, () => this.rollbackUpdate(stack, reason));
    }
  }

  async create(stack: Stack): Promise<void> {
    this.store.status(stack, 'CREATE_IN_PROGRESS', 'User Initiated');
    const { problem } = await this.apply(stack, 'create');
    if (!problem) this.store.status(stack, 'CREATE_COMPLETE');
    else if (stack.disableRollback) this.store.status(stack, 'CREATE_FAILED', problem);
    else await this.rollbackCreate(stack, `${problem} Rollback requested by user.`);
  }

  async update(stack: Stack, target: Target): Promise<void> {
    // after a failed update without roll-back, what can be put back is still what was before it.
    stack.previous ??= stack.target!;
    stack.target = target;
    stack.updated = new Date();
    this.store.status(stack, 'UPDATE_IN_PROGRESS', 'User Initiated');
    const { problem, ids } = await this.apply(stack, 'update');
    if (problem && stack.disableRollback) return this.store.status(stack, 'UPDATE_FAILED', problem);
    if (problem) return this.rollbackUpdate(stack, problem);
    this.keepUpdate(stack, ids);
    await this.removal.cleanUp(stack, 'UPDATE_COMPLETE');
  }

  async delete(stack: Stack, retain: readonly string[] = []): Promise<void> {
    for (const { ExportName: name } of stack.outputs) {
      const users = name ? importersOf(this.store, name, stack) : '';
      // the stack stays what it was, with the reason; there is no DELETE_FAILED.
      if (users) {
        const status = stack.status === 'DELETE_IN_PROGRESS' ? 'DELETE_FAILED' : stack.status;
        return this.store.status(stack, status, `Delete canceled. Cannot delete export ${name} as it is in use by ${users}.`);
      }
    }
    this.store.status(stack, 'DELETE_IN_PROGRESS', 'User Initiated');
    const failed = await this.removal.deleteResources(stack, (resource) =>
      retain.includes(resource.logicalId)
        ? 'Retain'
        : resource.deletionPolicy === 'RetainExceptOnCreate'
          ? 'Retain'
          : resource.deletionPolicy,
    );
    if (failed.length > 0)
      return this.store.status(stack, 'DELETE_FAILED', `The following resource(s) failed to delete: [${failed.join(', ')}]. `);
    stack.deleted = new Date();
    stack.outputs = [];
    stack.imports = [];
    this.store.status(stack, 'DELETE_COMPLETE');
  }

  /** Takes everything that a failed create made away again. */
  async rollbackCreate(stack: Stack, reason?: string): Promise<void> {
    this.store.status(stack, 'ROLLBACK_IN_PROGRESS', reason);
    const failed = await this.removal.deleteResources(stack, (resource) =>
      resource.deletionPolicy === 'RetainExceptOnCreate' ? 'Delete' : resource.deletionPolicy,
    );
    if (failed.length > 0)
      this.store.status(stack, 'ROLLBACK_FAILED', `The following resource(s) failed to delete: [${failed.join(', ')}]. `);
    else this.store.status(stack, 'ROLLBACK_COMPLETE');
  }

  /** Puts everything that a failed update touched back to the properties before it. */
  async rollbackUpdate(stack: Stack, reason?: string, skip: readonly string[] = []): Promise<void> {
    this.store.status(stack, 'UPDATE_ROLLBACK_IN_PROGRESS', reason);
    const table = this.store.resources(stack);
    const run: Run = { cancelled: false, failed: [] };
    const touched = table.values().filter((resource) => resource.before);
    const ids = new Set(touched.map((resource) => resource.logicalId));
    const graph = new Map(touched.map((resource) => [resource.logicalId, resource.before!.dependsOn.filter((id) => ids.has(id))]));
    await walk(graph, async (id) => {
      const resource = table.get(id)!;
      const before = resource.before!;
      const replaced = resource.physicalId !== before.physicalId;
      const skipped = skip.includes(id);
      stack.cleanup = stack.cleanup.filter((old) => old.physicalId !== before.physicalId || old.type !== before.type);
      const { before: _before, ...current } = resource;
      // a custom resource is asked to go back itself, also when it answered with another id.
      const inPlace = !replaced || (isCustom(resource.type) && resource.physicalId !== undefined);
      if (inPlace && resource.status.startsWith('UPDATE_') && !skipped) {
        const tried = physical(resource);
        resource.properties = before.properties;
        const done = await this.attempt(stack, resource, run, 'UPDATE', async (call) => {
          const made = { id: tried.physicalId!, attributes: tried.attributes };
          return (
            (await this.types(resource.type).update?.(
              await resolveSecrets(this.sandbox, before.properties),
              call,
              made,
              tried.properties,
            )) ?? made
          );
        });
        if (!done) return false;
        before.attributes = resource.attributes;
        before.physicalId = resource.physicalId!;
        if (tried.physicalId !== resource.physicalId) discard(stack, tried, 'Delete');
      } else if (replaced && resource.physicalId) discard(stack, resource, 'Delete');
      const { status: _status, ...restored } = before;
      table.set(id, { ...current, ...restored, status: 'UPDATE_COMPLETE', updated: new Date() } as Resource);
      if (!inPlace || skipped) this.store.event(stack, before, 'UPDATE_COMPLETE');
      return true;
    });
    if (run.failed.length > 0)
      return this.store.status(stack, 'UPDATE_ROLLBACK_FAILED', `The following resource(s) failed to update: [${run.failed.join(', ')}]. `);
    for (const resource of table.values().filter((one) => one.fresh)) {
      discard(stack, resource, resource.deletionPolicy === 'RetainExceptOnCreate' ? 'Delete' : resource.deletionPolicy);
      table.delete(resource.logicalId);
    }
    stack.target = stack.previous!;
    delete stack.previous;
    await this.removal.cleanUp(stack, 'UPDATE_ROLLBACK_COMPLETE');
  }

  /** An evaluator that sees the stack's resources as they are now. */
  async evaluator(stack: Stack, target: Target, imports: Set<string>): Promise<Evaluator> {
    const table = this.store.resources(stack);
    const evaluator = new Evaluator({
      sandbox: this.sandbox,
      template: parseTemplate(target.body),
      parameters: target.parameters,
      stack,
      notificationArns: target.notificationArns,
      ref: (id) => table.get(id)?.physicalId ?? missing(id),
      attribute: (id, name) => {
        const attributes = table.get(id)?.attributes ?? missing(id);
        if (!(name in attributes)) throw invalid(`Template error: resource ${id} does not support attribute type ${name} in Fn::GetAtt`);
        return attributes[name];
      },
      imported: (name) => {
        const value = this.store.exportNamed(name);
        imports.add(name);
        return value;
      },
      outputOf: this.store.outputOf,
    });
    return evaluator.readSsm();
  }

  /** Brings every resource to what the target says. Answers what went wrong, if anything did. */
  private async apply(stack: Stack, kind: 'create' | 'update'): Promise<Applied> {
    const run: Run = { cancelled: false, failed: [] };
    let ids: ReadonlySet<string> = new Set();
    try {
      const imports = new Set<string>();
      const evaluator = await this.evaluator(stack, stack.target!, imports);
      const graph = dependencies(parseTemplate(stack.target!.body), evaluator);
      ids = new Set(graph.keys());
      await walk(
        graph,
        (id) => this.applyOne(stack, id, evaluator, graph.get(id)!, kind, run),
        () => run.cancelled,
      );
      if (run.failed.length > 0) return { ids, problem: `The following resource(s) failed to ${kind}: [${run.failed.join(', ')}].` };
      setOutputs(this.store, stack, evaluator);
      stack.imports = [...imports];
      return { ids };
    } catch (error) {
      if (error instanceof Stopped || this.stopping) throw error;
      return { ids, problem: (error as Error).message };
    }
  }

  private async applyOne(
    stack: Stack,
    id: string,
    evaluator: Evaluator,
    dependsOn: string[],
    kind: 'create' | 'update',
    run: Run,
  ): Promise<boolean> {
    const definition = parseTemplate(stack.target!.body).Resources[id]!;
    const table = this.store.resources(stack);
    const type = this.types(definition.Type);
    const earlier = table.get(id);
    // what an earlier operation without roll-back failed to create is made anew.
    const stored = earlier?.status === 'CREATE_FAILED' ? undefined : earlier;
    if (earlier && !stored && earlier.physicalId) discard(stack, earlier, 'Delete');
    const describe = (resource: Resource): Resource => {
      resource.dependsOn = dependsOn;
      setOrDelete(resource, 'metadata', definition.Metadata === undefined ? undefined : JSON.stringify(definition.Metadata));
      const policy = type.deletionPolicy
        ? type.deletionPolicy(definition.DeletionPolicy, definition.Properties ?? {})
        : definition.DeletionPolicy;
      setOrDelete(resource, 'deletionPolicy', policy);
      setOrDelete(resource, 'updateReplacePolicy', definition.UpdateReplacePolicy);
      return resource;
    };
    const resource = stored ?? {
      logicalId: id,
      type: definition.Type,
      properties: {},
      attributes: {},
      dependsOn,
      status: '',
      updated: new Date(),
    };
    let properties: Properties;
    try {
      properties = (evaluator.value(definition.Properties ?? {}) ?? {}) as Properties;
    } catch (error) {
      run.cancelled = true;
      run.failed.push(id);
      if (stored) stored.before ??= { ...physical(stored), status: stored.status };
      this.store.resourceStatus(stack, describe(resource), `${stored ? 'UPDATE' : 'CREATE'}_FAILED`, (error as Error).message);
      return false;
    }
    if (!stored) {
      if (kind === 'update') resource.fresh = true;
      describe(resource).properties = properties;
      return this.attempt(stack, resource, run, 'CREATE', async (call) =>
        type.create(await resolveSecrets(this.sandbox, properties), call),
      );
    }
    const { names, replaces } = difference(type, stored.properties, properties);
    const again = stored.status === 'UPDATE_FAILED';
    const before = { ...physical(stored), status: stored.status };
    const old = canonical(stored);
    describe(stored);
    if (names.length === 0 && !again) {
      if (canonical(stored) !== old) table.set(id, Object.assign(stored, { before: stored.before ?? before }));
      return true;
    }
    stored.before ??= before;
    stored.properties = properties;
    if (!replaces && stored.physicalId)
      return this.attempt(stack, stored, run, 'UPDATE', async (call) => {
        const made = { id: before.physicalId!, attributes: before.attributes };
        return (await type.update?.(await resolveSecrets(this.sandbox, properties), call, made, before.properties)) ?? made;
      });
    delete stored.physicalId;
    const reason = 'Requested update requires the creation of a new physical resource; hence creating one.';
    return this.attempt(
      stack,
      stored,
      run,
      'UPDATE',
      async (call) => type.create(await resolveSecrets(this.sandbox, properties), call),
      reason,
    );
  }

  /** Runs one create or update of a resource with its events; a failure is recorded, not thrown. */
  private async attempt(
    stack: Stack,
    resource: Resource,
    run: Run,
    verb: 'CREATE' | 'UPDATE',
    action: (call: ResourceCall) => Promise<Made>,
    reason?: string,
  ): Promise<boolean> {
    this.store.resourceStatus(stack, resource, `${verb}_IN_PROGRESS`, reason);
    try {
      const call = makeCall(this.sandbox, stack, resource, run, false, (id) => {
        resource.physicalId = id;
        if (verb === 'CREATE') this.store.resourceStatus(stack, resource, `${verb}_IN_PROGRESS`, 'Resource creation Initiated');
        else this.store.resources(stack).set(resource.logicalId, resource);
      });
      const made = await action(call);
      resource.physicalId = made.id;
      resource.attributes = made.attributes ?? {};
      this.store.resourceStatus(stack, resource, `${verb}_COMPLETE`);
      return true;
    } catch (error) {
      if (error instanceof Stopped || this.stopping) throw new Stopped();
      run.cancelled = true;
      run.failed.push(resource.logicalId);
      const cancelled = `Resource ${verb === 'CREATE' ? 'creation' : 'update'} cancelled`;
      this.store.resourceStatus(stack, resource, `${verb}_FAILED`, error instanceof Cancelled ? cancelled : handlerMessage(error as Error));
      return false;
    }
  }

  /** The update stands: what it replaced or removed is due for deletion, and nothing can be put back any more. */
  private keepUpdate(stack: Stack, ids: ReadonlySet<string>): void {
    const table = this.store.resources(stack);
    for (const resource of table.values()) {
      const { before, fresh: _fresh, ...rest } = resource;
      if (before && before.physicalId !== resource.physicalId) discard(stack, before, before.updateReplacePolicy);
      if (ids.has(resource.logicalId)) {
        table.set(resource.logicalId, rest);
        continue;
      }
      discard(stack, resource, resource.deletionPolicy === 'RetainExceptOnCreate' ? 'Retain' : resource.deletionPolicy);
      table.delete(resource.logicalId);
    }
    delete stack.previous;
  }
}

const missing = (id: string): never => {
  throw invalid(`Resource ${id} does not exist (yet)`);
};

function setOrDelete<K extends 'metadata' | 'deletionPolicy' | 'updateReplacePolicy'>(
  resource: Resource,
  key: K,
  value: string | undefined,
): void {
  if (value === undefined) delete resource[key];
  else resource[key] = value;
}
