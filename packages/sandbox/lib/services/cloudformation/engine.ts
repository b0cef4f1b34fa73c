/** Creates, updates, rolls back and deletes stacks, and tells each step as an event. */
import type { Sandbox } from '../../service';
import { Cancelled, handlerMessage, makeCall, type Run, Stopped } from './call';
import { dependencies, reversed, walk } from './graph';
import { Evaluator, resolveSecrets } from './intrinsics';
import { canonical, difference, isCustom } from './plan';
import type { Output, Physical, Properties, Resource, Stack, Target } from './records';
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

  constructor(
    private readonly sandbox: Sandbox,
    private readonly store: Store,
    private readonly types: (name: string) => ResourceType,
  ) {}

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
      else if (stack.status === 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS') this.begin(stack, () => this.cleanUp(stack, 'UPDATE_COMPLETE'));
      else if (stack.status === 'UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS')
        this.begin(stack, () => this.cleanUp(stack, 'UPDATE_ROLLBACK_COMPLETE'));
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
    await this.cleanUp(stack, 'UPDATE_COMPLETE');
  }

  async delete(stack: Stack, retain: readonly string[] = []): Promise<void> {
    for (const { ExportName: name } of stack.outputs) {
      const users = name ? this.importers(name, stack) : '';
      // the stack stays what it was, with the reason; there is no DELETE_FAILED.
      if (users) {
        const status = stack.status === 'DELETE_IN_PROGRESS' ? 'DELETE_FAILED' : stack.status;
        return this.store.status(stack, status, `Delete canceled. Cannot delete export ${name} as it is in use by ${users}.`);
      }
    }
    this.store.status(stack, 'DELETE_IN_PROGRESS', 'User Initiated');
    const failed = await this.deleteResources(stack, (resource) =>
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
    const failed = await this.deleteResources(stack, (resource) =>
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
        if (tried.physicalId !== resource.physicalId) this.discard(stack, tried, 'Delete');
      } else if (replaced && resource.physicalId) this.discard(stack, resource, 'Delete');
      const { status: _status, ...restored } = before;
      table.set(id, { ...current, ...restored, status: 'UPDATE_COMPLETE', updated: new Date() } as Resource);
      if (!inPlace || skipped) this.store.event(stack, before, 'UPDATE_COMPLETE');
      return true;
    });
    if (run.failed.length > 0)
      return this.store.status(stack, 'UPDATE_ROLLBACK_FAILED', `The following resource(s) failed to update: [${run.failed.join(', ')}]. `);
    for (const resource of table.values().filter((one) => one.fresh)) {
      this.discard(stack, resource, resource.deletionPolicy === 'RetainExceptOnCreate' ? 'Delete' : resource.deletionPolicy);
      table.delete(resource.logicalId);
    }
    stack.target = stack.previous!;
    delete stack.previous;
    await this.cleanUp(stack, 'UPDATE_ROLLBACK_COMPLETE');
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
      this.outputs(stack, evaluator);
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
    if (earlier && !stored && earlier.physicalId) this.discard(stack, earlier, 'Delete');
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

  private outputs(stack: Stack, evaluator: Evaluator): void {
    const outputs: Output[] = [];
    for (const [key, definition] of Object.entries(parseTemplate(stack.target!.body).Outputs ?? {})) {
      if (!evaluator.active(definition)) continue;
      const name = definition.Export ? evaluator.text(definition.Export.Name) : undefined;
      outputs.push({
        OutputKey: key,
        OutputValue: evaluator.text(definition.Value),
        ...(definition.Description ? { Description: definition.Description } : {}),
        ...(name ? { ExportName: name } : {}),
      });
    }
    for (const { ExportName: name } of outputs) {
      const other = this.store.exports().find((one) => one.Name === name && one.ExportingStackId !== stack.id);
      if (other)
        throw invalid(`Export with name ${name} is already exported by stack ${this.store.stacks.get(other.ExportingStackId)!.name}.`);
    }
    for (const { ExportName: name, OutputValue: value } of stack.outputs) {
      const users = name ? this.importers(name, stack) : '';
      const after = outputs.find((output) => output.ExportName === name);
      if (users && !after) throw invalid(`Delete canceled. Cannot delete export ${name} as it is in use by ${users}.`);
      if (users && after?.OutputValue !== value) throw invalid(`Cannot update export ${name} as it is in use by ${users}.`);
    }
    stack.outputs = outputs;
  }

  /** The names of the other stacks that import what this one exports. */
  private importers(name: string, stack: Stack): string {
    return this.store
      .importers(name)
      .filter((user) => user.id !== stack.id)
      .map((user) => user.name)
      .join(', ');
  }

  /** The update stands: what it replaced or removed is due for deletion, and nothing can be put back any more. */
  private keepUpdate(stack: Stack, ids: ReadonlySet<string>): void {
    const table = this.store.resources(stack);
    for (const resource of table.values()) {
      const { before, fresh: _fresh, ...rest } = resource;
      if (before && before.physicalId !== resource.physicalId) this.discard(stack, before, before.updateReplacePolicy);
      if (ids.has(resource.logicalId)) {
        table.set(resource.logicalId, rest);
        continue;
      }
      this.discard(stack, resource, resource.deletionPolicy === 'RetainExceptOnCreate' ? 'Retain' : resource.deletionPolicy);
      table.delete(resource.logicalId);
    }
    delete stack.previous;
  }

  private discard(stack: Stack, resource: Physical, policy: string | undefined): void {
    const { deletionPolicy: _old, updateReplacePolicy: _other, ...rest } = physical(resource);
    stack.cleanup.push({ ...rest, ...(policy ? { deletionPolicy: policy } : {}) });
  }

  /** Deletes what an update left over. A failure here is told, and does not fail the update. */
  private async cleanUp(stack: Stack, status: 'UPDATE_COMPLETE' | 'UPDATE_ROLLBACK_COMPLETE'): Promise<void> {
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

  private async deleteResources(stack: Stack, policy: (resource: Resource) => string | undefined): Promise<string[]> {
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
      if (error instanceof Stopped || this.stopping) throw new Stopped();
      tell('DELETE_FAILED', handlerMessage(error as Error));
      return false;
    }
  }
}

const missing = (id: string): never => {
  throw invalid(`Resource ${id} does not exist (yet)`);
};

const physical = ({
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

function setOrDelete<K extends 'metadata' | 'deletionPolicy' | 'updateReplacePolicy'>(
  resource: Resource,
  key: K,
  value: string | undefined,
): void {
  if (value === undefined) delete resource[key];
  else resource[key] = value;
}
