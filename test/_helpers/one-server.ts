/** One server for a test file, with connections to whatever databases its tests make; all of it is gone when the file has ended. */
import { connect, type Db, type Login } from '../../lib/postgres/connection/connect';
import { startServer, type TestServer } from './postgres';

export interface OneServer {
  /** From the first `beforeAll` on. */
  readonly server: TestServer;
  /** A connection to one of its databases. @default as the superuser */
  at(database: string, user?: Login): Promise<Db>;
}

export function oneServer(): OneServer {
  let server: TestServer;
  const open: Db[] = [];
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => {
    await Promise.all(open.map((db) => db.close()));
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    async at(database, user = { username: server.superuser, password: server.password }) {
      const db = await connect({ host: server.host, port: server.port, database }, user);
      open.push(db);
      return db;
    },
  };
}
