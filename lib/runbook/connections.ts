/** The master user's connections of one invocation, opened when they are first asked for. */
import type { Aws } from '../aws';
import type { Manifest } from '../manifest/schema';
import { connect, type Db } from '../postgres/connect';

export class Connections {
  private readonly open = new Map<string, Promise<Db>>();
  private readonly own: Db[] = [];

  constructor(
    private readonly aws: Aws,
    private readonly manifest: Manifest,
  ) {}

  to(instance: string): Promise<Db> {
    let db = this.open.get(instance);
    if (!db) {
      db = this.make(instance);
      // a connection that failed is not kept: the next look tries anew.
      db.catch(() => this.open.delete(instance));
      this.open.set(instance, db);
    }
    return db;
  }

  /** A connection that stays when the others are made anew after a fault. */
  async another(instance: string): Promise<Db> {
    const db = await this.make(instance);
    this.own.push(db);
    return db;
  }

  private async make(instance: string): Promise<Db> {
    const { database } = this.manifest.shared;
    const address = (await this.aws.databases.describe(instance))?.address;
    if (!address) throw new Error(`the instance ${instance} has no address yet`);
    const { username, password } = await this.aws.settings.secret(database.masterSecret);
    return connect({ ...address, database: database.name }, { username, password }, { applicationName: 'switchback' });
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
    // a broken connection cannot be closed politely; it is gone either way.
    await Promise.all(all.map((db) => db.then((made) => made.close()).catch(() => undefined)));
  }
}
