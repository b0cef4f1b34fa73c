/** The servers behind the instances: one PostgreSQL server each, found by the instance's resource id. */
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { copyStopped } from '../../postgres/backup';
import { type Binaries, findBinaries } from '../../postgres/binaries';
import { placeFor, removeOrphans, removePlaceFor } from '../../postgres/place';
import { endLeftOver, waitFor } from '../../postgres/process';
import { PostgresServer, type StopMode } from '../../postgres/server';
import { dropSlot, isStandby, makeStandby, promote, standbySettings } from '../../postgres/standby';
import type { Sandbox } from '../../service';
import { settingsFor } from './parameters';
import type { Instance, Records, Snapshot } from './records';
import { makeRoles, scramVerifier, setPassword } from './roles';

/** Seconds until RDS has noticed a dead server and started it again. */
const recoverySeconds = 60;
const superuser = 'rdsadmin';
const replicationUser = 'rdsrepladmin';

export class Engine {
  private readonly servers = new Map<string, PostgresServer>();
  private place: string | undefined;
  private secrets: Passwords | undefined;
  private stopping = false;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly records: Records,
  ) {}

  /** Made when the first instance needs it: a sandbox without databases leaves nothing anywhere. */
  private get root(): string {
    this.place ??= placeFor(folderOf(this.sandbox.folder));
    return this.place;
  }

  private get passwords(): Passwords {
    this.secrets ??= passwordsIn(join(folderOf(this.sandbox.folder), 'passwords.json'));
    return this.secrets;
  }

  /** Starts every server that was running; those that will not start are logged and stay down. */
  async startAll(): Promise<void> {
    for (const owner of await removeOrphans()) this.sandbox.log(`rds: removed the database files of ${owner}, which is gone`);
    const ready = this.records.instances.values().filter((instance) => instance.ready);
    // what a killed sandbox was removing.
    if (ready.length > 0) await rm(this.removed, { recursive: true, force: true });
    const start = async (instance: Instance): Promise<void> => {
      try {
        await this.start(instance);
      } catch (error) {
        this.sandbox.log(`rds: ${instance.id} does not start: ${(error as Error).message}`);
      }
    };
    // sources before replicas: a replica is told its source's port.
    for (const level of levels(ready)) await Promise.all(level.map(start));
  }

  async stopAll(): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.servers.values()].map((server) => server.stop()));
  }

  running(instance: Instance): boolean {
    return this.servers.get(instance.resourceId)?.running === true;
  }

  /** Waits until the server runs, again if it has to be; false when it does not in time, or the sandbox stops. */
  async runs(instance: Instance, milliseconds: number): Promise<boolean> {
    await waitFor(() => this.stopping || this.running(instance), milliseconds);
    return !this.stopping && this.running(instance);
  }

  /** Starts the server with what its parameter group says now. */
  async start(instance: Instance): Promise<void> {
    if (this.stopping) throw new Error('the sandbox is stopping');
    const server = this.server(instance);
    if (server.running) return;
    this.applyGroup(instance);
    this.configure(instance, server);
    const before = instance.port;
    await server.start();
    instance.port = server.port ?? 0;
    this.records.instances.set(instance.id, instance);
    if (before !== undefined && before !== instance.port) this.pointReplicasTo(instance);
  }

  async restart(instance: Instance): Promise<void> {
    await this.server(instance).stop();
    await this.start(instance);
  }

  async stop(instance: Instance, mode: StopMode = 'fast'): Promise<void> {
    await this.servers.get(instance.resourceId)?.stop(mode);
  }

  /** Kills every process of the instance's server; RDS notices and starts it again after a while, or never. */
  async crash(instance: Instance, recover: boolean): Promise<void> {
    await this.server(instance).crash();
    this.sandbox.log(`rds: the server of ${instance.id} was killed`);
    if (recover) this.recover(instance);
  }

  /** The running server reads its parameter group's dynamic values. */
  reload(instance: Instance): void {
    const server = this.servers.get(instance.resourceId);
    if (!server?.running) return;
    this.configure(instance, server);
    server.reload();
  }

  /** A new, empty server with RDS's roles and the user's database. */
  async create(instance: Instance, masterVerifier: string): Promise<void> {
    const server = this.server(instance);
    // what a killed attempt left running would write into the new files.
    await endLeftOver(server.data);
    await server.init();
    await this.start(instance);
    await makeRoles(server, {
      master: instance.username,
      masterVerifier,
      replicationUser,
      replicationVerifier: scramVerifier(this.passwords.replication),
      database: instance.database,
    });
  }

  /** A streaming standby of the instance's source. */
  async replicate(instance: Instance): Promise<void> {
    const source = this.sourceOf(instance);
    await this.start(source);
    const server = this.server(instance);
    await endLeftOver(server.data);
    await makeStandby(this.server(source), server, instance.slot ?? '');
    await this.start(instance);
  }

  /** Ends replication for good: the instance takes writes, its source keeps nothing for it. */
  async promote(instance: Instance): Promise<void> {
    const server = this.server(instance);
    await this.start(instance);
    if (isStandby(server)) await promote(server);
  }

  /** The source forgets the slot of an instance that no longer streams from it. */
  async forgetSlot(source: Instance | undefined, slot: string | undefined): Promise<void> {
    if (!source || !slot) return;
    const server = this.servers.get(source.resourceId);
    if (!server?.running) return;
    for (let attempt = 0; attempt < 50; attempt++) {
      await dropSlot(server, slot);
      const left = await server.query('SELECT 1 FROM pg_replication_slots WHERE slot_name = $1', [slot]);
      if (left.length === 0) return;
      // the source has not yet noticed that the connection is gone.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.sandbox.log(`rds: the slot ${slot} on ${source.id} stays in use and was not dropped`);
  }

  async restore(instance: Instance, snapshot: Snapshot): Promise<void> {
    const server = this.server(instance);
    await endLeftOver(server.data);
    server.makeFolder();
    await rm(server.data, { recursive: true, force: true });
    await copyStopped(this.snapshotFolder(snapshot), server.data);
    await this.start(instance);
  }

  async setMasterPassword(instance: Instance, verifier: string): Promise<void> {
    await setPassword(this.server(instance), instance.username, verifier);
  }

  /** Stops the server and removes its files. */
  async remove(instance: Instance): Promise<void> {
    const server = this.server(instance);
    await server.stop('immediate');
    await endLeftOver(server.data);
    this.servers.delete(instance.resourceId);
    await rm(server.folder, { recursive: true, force: true });
  }

  server(instance: Instance): PostgresServer {
    let server = this.servers.get(instance.resourceId);
    if (!server) {
      server = new PostgresServer({
        binaries: this.binaries(instance.version),
        folder: join(this.root, instance.resourceId),
        superuser,
        password: this.passwords.superuser,
        ...(instance.port !== undefined && { port: instance.port }),
        onExit: () => {
          if (this.stopping) return;
          this.sandbox.log(`rds: the server of ${instance.id} ended by itself`);
          this.recover(instance);
        },
        log: (line) => this.sandbox.log(`rds: ${instance.id}: ${line}`),
      });
      this.servers.set(instance.resourceId, server);
    }
    return server;
  }

  logFolder(instance: Instance): string {
    return join(this.root, instance.resourceId, 'log');
  }

  snapshotFolder(snapshot: Snapshot): string {
    return join(this.root, 'snapshots', snapshot.files);
  }

  /** Its name is free at once. A thousand files take a while, and the load balancer must not stand still for them. */
  async removeSnapshot(snapshot: Snapshot): Promise<void> {
    const folder = this.snapshotFolder(snapshot);
    if (!existsSync(folder)) return;
    mkdirSync(this.removed, { recursive: true });
    const gone = join(this.removed, randomUUID());
    renameSync(folder, gone);
    await rm(gone, { recursive: true, force: true });
  }

  private get removed(): string {
    return join(this.root, 'removed');
  }

  /** The programs that run this version; undefined when there are none of its major. */
  static find(version: string): Binaries | undefined {
    return Engine.all().find((binaries) => binaries.major === Number(version.split('.')[0]));
  }

  /** Programs of every major there is: the package's, and what `SWITCHBACK_POSTGRES_<major>` names. */
  static all(): Binaries[] {
    const given = Object.entries(process.env).flatMap(([name, folder]) =>
      /^SWITCHBACK_POSTGRES_\d+$/.test(name) && folder ? [folder] : [],
    );
    return [findBinaries(), ...given.map((folder) => findBinaries(folder))];
  }

  private binaries(version: string): Binaries {
    const binaries = Engine.find(version);
    if (!binaries)
      throw new Error(`no PostgreSQL programs for ${version}; set SWITCHBACK_POSTGRES_${version.split('.')[0]} to their folder`);
    return binaries;
  }

  /** From now on the server runs with the group's values of this moment. */
  private applyGroup(instance: Instance): void {
    const values = Object.entries(this.records.parameterGroups.get(instance.parameterGroup)?.values ?? {});
    instance.applied = { group: instance.parameterGroup, values: Object.fromEntries(values.map(([name, { value }]) => [name, value])) };
  }

  private configure(instance: Instance, server: PostgresServer): void {
    server.settings = settingsFor(server.folder, instance.applied.values);
    // a source that is gone leaves a standby without one, until it is promoted.
    const found = this.records.instances.get(instance.source ?? '');
    if (!found) return;
    const source = this.server(found);
    const login = { user: replicationUser, password: this.passwords.replication };
    server.settings = { ...server.settings, ...standbySettings(server, source, instance.slot ?? '', login) };
  }

  private pointReplicasTo(source: Instance): void {
    for (const replica of this.records.instances.values()) if (replica.source === source.id) this.reload(replica);
  }

  private sourceOf(instance: Instance): Instance {
    const source = this.records.instances.get(instance.source ?? '');
    if (!source) throw new Error(`the source ${instance.source} of ${instance.id} is gone`);
    return source;
  }

  private recover(instance: Instance): void {
    this.sandbox.after(recoverySeconds, async () => {
      if (this.stopping || !this.records.instances.get(instance.id)?.ready) return;
      await this.start(instance);
      this.sandbox.log(`rds: the server of ${instance.id} was started again`);
    });
  }
}

const folderOf = (sandboxFolder: string): string => join(sandboxFolder, 'rds');

/** Removes the database files of a sandbox that is not running, wherever they lie; call it before its folder is removed. */
export async function removeDatabaseFiles(sandboxFolder: string): Promise<void> {
  await removePlaceFor(folderOf(sandboxFolder));
}

/** Of the users nobody else logs in with; the same in every instance, because a replica has its source's. */
interface Passwords {
  readonly superuser: string;
  readonly replication: string;
}

function passwordsIn(file: string): Passwords {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Passwords;
  const made = { superuser: randomBytes(24).toString('hex'), replication: randomBytes(24).toString('hex') };
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, JSON.stringify(made), { mode: 0o600 });
  return made;
}

/** Instances by their distance from a primary. */
function levels(instances: readonly Instance[]): Instance[][] {
  const result: Instance[][] = [];
  let left = [...instances];
  while (left.length > 0) {
    const waiting = new Set(left.map(({ id }) => id));
    const level = left.filter(({ source }) => source === undefined || !waiting.has(source));
    if (level.length === 0) return [...result, left];
    result.push(level);
    left = left.filter((instance) => !level.includes(instance));
  }
  return result;
}
