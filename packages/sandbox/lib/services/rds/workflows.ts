/**
 * What happens to an instance over time. Each workflow is on the instance's list in the stored state before it
 * begins and off it when it is done, and can be begun again: a sandbox that was killed takes up where it was.
 */
import type { Sandbox } from '../../service';
import type { Engine } from './engine';
import type { Instance, Records, Workflow } from './records';
import { automatedName, finishBackup, newSnapshot, removeAutomated, takeBackup } from './snapshot-files';

/** AWS seconds. AWS publishes no durations; these are of the order that users report for small instances. */
export const durations = {
  /** RDS answers before it begins: for this long the status still says `available`. */
  accepted: 10,
  create: 240,
  replicate: 300,
  restore: 300,
  /** Until the replica has left recovery, and from then to the reboot. */
  promotion: 60,
  promoted: 60,
  promotionReboot: 60,
  modify: 30,
  /** A change of class or storage. */
  resize: 300,
  backup: 60,
  reboot: 60,
  delete: 60,
};

/** The call that each kind of workflow is for. */
const operations: Readonly<Record<Workflow['kind'], string>> = {
  create: 'CreateDBInstance',
  replicate: 'CreateDBInstanceReadReplica',
  restore: 'RestoreDBInstanceFromDBSnapshot',
  promote: 'PromoteReadReplica',
  modify: 'ModifyDBInstance',
  backup: 'CreateDBSnapshot',
  reboot: 'RebootDBInstance',
  delete: 'DeleteDBInstance',
};

/** Thrown inside a workflow that is no longer wanted: its instance is being deleted, or the sandbox stops. */
class Interrupted extends Error {}

export class Workflows {
  private readonly running = new Map<string, Promise<void>>();
  private readonly interrupts = new Map<string, () => void>();
  private stopping = false;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly records: Records,
    private readonly engine: Engine,
  ) {}

  /** Puts workflows at the end of the instance's list and begins them when their turn comes. */
  add(instance: Instance, ...workflows: Workflow[]): void {
    instance.work.push(...workflows);
    this.records.instances.set(instance.id, instance);
    this.begin(instance);
  }

  /** Deletion comes before everything: what is under way is broken off. */
  delete(instance: Instance, ...workflows: Workflow[]): void {
    instance.status = 'deleting';
    instance.work = workflows;
    this.records.instances.set(instance.id, instance);
    this.interrupts.get(instance.resourceId)?.();
    this.begin(instance);
  }

  resume(): void {
    for (const instance of this.records.instances.values()) if (instance.work.length > 0) this.begin(instance);
  }

  /** Resolves when nothing is under way any more; what is left is in the stored state. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const interrupt of this.interrupts.values()) interrupt();
    await Promise.all(this.running.values());
  }

  private begin(instance: Instance): void {
    if (this.stopping || this.running.has(instance.resourceId)) return;
    const done = this.advance(instance).finally(() => {
      this.running.delete(instance.resourceId);
      // added between the last look at the list and now.
      if (instance.work.length > 0 && this.records.instances.get(instance.id) === instance) this.begin(instance);
    });
    this.running.set(instance.resourceId, done);
  }

  private async advance(instance: Instance): Promise<void> {
    for (let workflow = instance.work[0]; workflow && !this.stopping; workflow = instance.work[0]) {
      try {
        workflow.factor ??= this.sandbox.fault('long', { service: 'rds', operation: operations[workflow.kind], names: [instance.id] }) ?? 1;
        await this.perform(instance, workflow);
        if (instance.work[0] === workflow) instance.work.shift();
      } catch (error) {
        if (instance.work[0] !== workflow) continue;
        if (error instanceof Interrupted || this.stopping) return;
        this.sandbox.log(`rds: ${workflow.kind} of ${instance.id} failed: ${error instanceof Error ? error.stack : String(error)}`);
        instance.work = [];
        instance.status = workflow.kind === 'reboot' || workflow.kind === 'modify' ? 'incompatible-parameters' : 'failed';
        this.records.instances.set(instance.id, instance);
        return;
      }
      if (workflow.kind === 'delete') return;
      if (instance.work.length === 0) this.set(instance, 'available');
      else this.records.instances.set(instance.id, instance);
    }
  }

  private async perform(instance: Instance, workflow: Workflow): Promise<void> {
    const { engine } = this;
    switch (workflow.kind) {
      case 'create':
        return this.create(instance, workflow, durations.create, () => engine.create(instance, workflow.verifier));
      case 'replicate':
        return this.create(instance, workflow, durations.replicate, () => engine.replicate(instance));
      case 'restore': {
        const snapshot = this.records.snapshots.get(workflow.snapshot);
        if (!snapshot) throw new Error(`the snapshot ${workflow.snapshot} is gone`);
        return this.create(instance, workflow, durations.restore, () => engine.restore(instance, snapshot));
      }
      case 'promote':
        return this.promote(instance, workflow);
      case 'modify':
        return this.modify(instance, workflow);
      case 'backup':
        return this.backup(instance, workflow);
      case 'reboot':
        this.set(instance, 'rebooting');
        return this.lasting(instance, workflow, durations.reboot, () => engine.restart(instance));
      case 'delete':
        return this.remove(instance, workflow);
    }
  }

  private async create(instance: Instance, workflow: Workflow, seconds: number, make: () => Promise<void>): Promise<void> {
    await this.lasting(instance, workflow, seconds, async () => {
      if (!instance.ready) await make();
      instance.ready = true;
      this.records.instances.set(instance.id, instance);
    });
    instance.created ??= new Date();
    instance.shown = true;
  }

  /** available (still) → modifying, promoted → rebooting, restarted once. */
  private async promote(instance: Instance, workflow: Workflow): Promise<void> {
    await this.pause(instance, workflow, durations.accepted);
    this.set(instance, 'modifying');
    await this.pause(instance, workflow, durations.promotion);
    await this.lasting(instance, workflow, durations.promoted, async () => {
      await this.engine.promote(instance);
      const source = this.records.instances.get(instance.source ?? '');
      const { slot } = instance;
      delete instance.source;
      delete instance.slot;
      this.records.instances.set(instance.id, instance);
      await this.engine.forgetSlot(source, slot);
    });
    this.set(instance, 'rebooting');
    await this.lasting(instance, workflow, durations.promotionReboot, () => this.engine.restart(instance));
  }

  private async modify(instance: Instance, workflow: Workflow & { kind: 'modify' }): Promise<void> {
    await this.pause(instance, workflow, durations.accepted);
    this.set(instance, 'modifying');
    await this.lasting(instance, workflow, workflow.seconds, async () => {
      if (workflow.verifier !== undefined) {
        await this.engine.start(instance);
        await this.engine.setMasterPassword(instance, workflow.verifier);
      }
      if (workflow.offline) await this.engine.restart(instance);
    });
    Object.assign(instance, workflow.changes);
    for (const name of Object.keys(workflow.changes)) delete instance.pending[name as keyof typeof workflow.changes];
    delete instance.pending.password;
    if (workflow.changes.retention === 0) await removeAutomated(this.records, this.engine, instance);
  }

  private async backup(instance: Instance, workflow: Workflow & { kind: 'backup' }): Promise<void> {
    if (instance.status !== 'deleting') this.set(instance, 'backing-up');
    workflow.snapshot ??= newSnapshot(this.records, instance, automatedName(this.records, instance), 'automated').id;
    this.records.instances.set(instance.id, instance);
    const snapshot = this.records.snapshots.get(workflow.snapshot);
    if (!snapshot) return;
    await this.lasting(instance, workflow, durations.backup, async () => {
      await this.engine.start(instance);
      await takeBackup(this.engine, instance, snapshot);
    });
    await finishBackup(this.records, this.engine, instance, snapshot);
  }

  private async remove(instance: Instance, workflow: Workflow): Promise<void> {
    await this.pause(instance, workflow, durations.delete);
    // a clean stop ends only when the replicas have everything; they live on as instances of their own.
    await this.engine.stop(instance);
    for (const replica of this.records.instances.values().filter(({ source }) => source === instance.id)) {
      const known = replica.status === 'deleting' || replica.work.some(({ kind }) => kind === 'promote');
      if (!known) this.add(replica, { kind: 'promote' });
    }
    await this.engine.remove(instance);
    await this.engine.forgetSlot(this.records.instances.get(instance.source ?? ''), instance.slot);
    await removeAutomated(this.records, this.engine, instance);
    this.records.tags.delete(this.sandbox.arn('rds', `db:${instance.id}`));
    this.records.instances.delete(instance.id);
    this.sandbox.log(`rds: ${instance.id} is deleted`);
  }

  private set(instance: Instance, status: string): void {
    instance.status = status;
    this.records.instances.set(instance.id, instance);
    this.sandbox.log(`rds: ${instance.id} is ${status}`);
  }

  /** Does `action`, and waits until all in all `awsSeconds` have passed. */
  private async lasting(instance: Instance, workflow: Workflow, awsSeconds: number, action: () => Promise<void>): Promise<void> {
    const begun = Date.now();
    await action();
    const passed = ((Date.now() - begun) / 1000) * this.sandbox.speed;
    await this.pause(instance, workflow, awsSeconds, passed);
  }

  /** Waits, less what has passed; throws when the workflow is no longer wanted. */
  private async pause(instance: Instance, workflow: Workflow, usual: number, passed = 0): Promise<void> {
    const awsSeconds = Math.max(0, usual * (workflow.factor ?? 1) - passed);
    if (this.stopping || instance.work[0] !== workflow) throw new Interrupted();
    const interrupted = new Promise<never>((_, reject) => this.interrupts.set(instance.resourceId, () => reject(new Interrupted())));
    const elapsed = this.sandbox.pause(awsSeconds).catch(() => {
      throw new Interrupted();
    });
    try {
      await Promise.race([elapsed, interrupted]);
    } finally {
      this.interrupts.delete(instance.resourceId);
    }
    if (this.stopping || instance.work[0] !== workflow) throw new Interrupted();
  }
}
