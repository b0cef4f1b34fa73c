/** What a run hears of a database that it may not change, or not any more. */

import type { Aws } from '../../lib/aws';
import { say } from '../../lib/base/advice';
import { Connections } from '../../lib/engine/connections';
import { manifest, operator } from '../_helpers/runbook';
import { database, master, type Server, startServer, stopServers } from '../postgres/servers';

let server: Server;
const made: Connections[] = [];
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await Promise.all(made.map((connections) => connections.end()));
  await stopServers();
});

function run(who: string, number: number, window = 'w1'): Connections {
  const aws = {
    settings: { secret: async () => master },
    databases: { describe: async () => ({ address: { host: server.address.host, port: server.address.port } }) },
  } as unknown as Aws;
  const connections = new Connections(aws, manifest, () => ({ number, window, verb: 'cutover', by: { ...operator, who } }));
  made.push(connections);
  return connections;
}

test('without the right to make its schema it is said which right is missing, and nothing is waited for', async () => {
  await server.test.query(`ALTER DATABASE ${database} OWNER TO postgres`);
  await expect(run('ada', 2).to('video-db')).rejects.toMatchObject({
    code: 'database.no-right',
    next: [say`as its owner: GRANT CREATE ON DATABASE "video" TO "master"`, say`then the same command again`],
  });
  await server.test.query(`ALTER DATABASE ${database} OWNER TO master`);
});

test('a run of a later window takes the database from every run of an earlier one, however long that window was', async () => {
  const ada = await run('ada', 4711).to('video-db');
  await ada.query('CREATE TABLE t (n int)');
  await run('grace', 2, 'w2').to('video-db');
  await expect(ada.query('DROP TABLE t')).rejects.toMatchObject({
    code: 'window.taken-over',
    message: expect.stringMatching(/^video-db is not this run's to change: the cutover of grace on ada@laptop \(w2\) has it since 20/),
    exit: 5,
  });
  // nor with a new connection: it is closed again, and the run stops.
  await expect(run('ada', 4711).to('video-db')).rejects.toMatchObject({ code: 'window.taken-over' });
});

test('a change that waits for a take-over is refused when that is granted, and the connection goes on reading', async () => {
  const ada = await run('ada', 10, 'w3').to('video-db');
  const other = await server.superuser();
  await other.query('BEGIN');
  // as somebody who is about to take it holds it.
  await other.query('LOCK TABLE switchback.holder IN EXCLUSIVE MODE');
  await other.query("UPDATE switchback.holder SET number = number + 1, run = 'the rollback of grace'");
  const late = ada.query('DROP TABLE t').catch((error: unknown) => error);
  await other.query('COMMIT');
  expect(await late).toMatchObject({ code: 'window.taken-over' });
  expect(await ada.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 0 }]);
});

test('a connection whose server has ended it since its last use is made anew at the next', async () => {
  const connections = run('ada', 99, 'w9');
  const before = await connections.to('video-db');
  const [row] = await before.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const ended = new Promise<void>((done) => {
    const look = () => (before.broken ? done() : void setImmediate(look));
    look();
  });
  await (await server.superuser()).query('SELECT pg_terminate_backend($1)', [row?.pid]);
  await ended;
  const after = await connections.to('video-db');
  expect(after).not.toBe(before);
  expect(await after.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(await connections.to('video-db')).toBe(after);
});
