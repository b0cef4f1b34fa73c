/** The master user's connections of one invocation, opened when they are first asked for. */

import type { Aws } from '../aws';
import { say, switchback } from '../base/advice';
import { exit, Stop } from '../base/errors';
import type { Manifest } from '../manifest/schema';
import { type Holder, LockedDb } from '../postgres/access/run-lock';
import { type Address, connect, DatabaseError, type Db, ident, type Login } from '../postgres/connection/connect';
import type { Operator, Verb } from './events';
import { placeOf } from './place';

/** The run that changes databases through these connections, and no other. */
export interface HoldingRun {
  /** The journal's number of its beginning. */
  readonly number: number;
  readonly window: string;
  readonly verb: Verb;
  readonly by: Operator;
}

export class Connections {
  private readonly open = new Map<string, Promise<Db>>();
  private readonly own: Db[] = [];
  /** Where instances are and how to log in, asked for once. */
  private readonly known = new Map<string, Promise<{ readonly address: Address; readonly login: Login }>>();

  constructor(
    private readonly aws: Aws,
    private readonly manifest: Manifest,
    /** Left out by who only looks. */
    private readonly run?: () => HoldingRun,
  ) {}

  async to(instance: string): Promise<Db> {
    let db = this.open.get(instance);
    if (!db) {
      db = this.make(instance);
      // a connection that failed is not kept: the next look tries anew.
      db.catch(() => this.open.delete(instance));
      this.open.set(instance, db);
    }
    const made = await db;
    if (!made.broken) return made;
    // the server restarted after its last use: nobody's work was lost, and the next look is a new one's.
    if (this.open.get(instance) === db) this.open.delete(instance);
    this.known.delete(instance);
    await made.close().catch(() => undefined);
    return this.to(instance);
  }

  /** A connection that stays when the others are made anew after a fault. */
  async another(instance: string): Promise<Db> {
    const db = await this.make(instance);
    this.own.push(db);
    return db;
  }

  private async make(instance: string): Promise<Db> {
    const known = this.known.get(instance) ?? this.find(instance);
    this.known.set(instance, known);
    known.catch(() => this.known.delete(instance));
    const { address, login } = await known;
    const db = await connect(address, login, { applicationName: 'switchback' });
    if (!this.run) return db;
    const run = this.run();
    const held = new LockedDb(db, holderOf(run, this.manifest), (message) => takenOver(instance, message, run));
    try {
      await held.take();
    } catch (error) {
      await db.close();
      throw error instanceof DatabaseError && error.sqlstate === '42501'
        ? mayNotHold(instance, login.username, address.database, error)
        : error;
    }
    return held;
  }

  private async find(place: string): Promise<{ address: Address; login: Login }> {
    const { database } = this.manifest.shared;
    const { instance, database: name } = placeOf(place, database.name);
    const [found, { username, password }] = await Promise.all([
      this.aws.databases.describe(instance),
      this.aws.settings.secret(database.masterSecret),
    ]);
    if (!found?.address) throw new Error(`the instance ${instance} has no address yet`);
    return { address: { ...found.address, database: name }, login: { username, password } };
  }

  /** Closes those to one place: nobody may be connected to a database that is copied. */
  async leave(place: string): Promise<void> {
    const db = this.open.get(place);
    this.open.delete(place);
    await db?.then((made) => made.close()).catch(() => undefined);
  }

  /** Closes every connection, with the invocation. */
  async end(): Promise<void> {
    await this.close();
    await Promise.all(this.own.map((db) => db.close().catch(() => undefined)));
  }

  /** Closes the shared ones: the next use makes them anew. */
  async close(): Promise<void> {
    const all = [...this.open.values()];
    this.open.clear();
    this.known.clear();
    // a broken connection cannot be closed politely; it is gone either way.
    await Promise.all(all.map((db) => db.then((made) => made.close()).catch(() => undefined)));
  }
}

/** Windows count first: any run of w2 comes after every run of w1. */
const holderOf = ({ number, window, verb, by }: HoldingRun, { shared }: Manifest): Holder => ({
  number: Number(window.slice(1)) * 1_000_000 + number,
  journal: `${shared.journalBucket}/${shared.system}`,
  run: `the ${verb} of ${by.who} on ${by.where} (${window})`,
});

const takenOver = (instance: string, message: string, { verb }: HoldingRun): Stop =>
  new Stop('window.taken-over', `${instance} is not this run's to change: ${message}`, {
    state: `This run changed nothing on ${instance} after that.`,
    next: [switchback('status', '--watch'), switchback(verb, '--take-over')],
    exit: exit.locked,
  });

/** A right of the master user's that waiting does not bring. */
const mayNotHold = (instance: string, user: string, database: string, cause: DatabaseError): Stop =>
  new Stop('database.no-right', `'${user}' may not note in ${instance} which run changes it: ${cause.message}`, {
    state: 'Nothing was changed on it.',
    next: [say`as its owner: GRANT CREATE ON DATABASE ${ident(database)} TO ${ident(user)}`, say`then the same command again`],
    cause,
  });
