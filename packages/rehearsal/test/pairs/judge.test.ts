/** What judges pairs of releases sees what it is for, and shares nothing with the product. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { startServer, type TestServer } from '../../../../test/_helpers/postgres';
import { readTables } from '../../lib/pairs/catalog';
import { type Answer, judge, type Questions, questionsFor } from '../../lib/pairs/judge';
import { writeRows } from '../../lib/pairs/rows';

let server: TestServer;
const clients: Client[] = [];
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  for (const client of clients) await client.end();
  await server?.stop();
});

const old = `CREATE TYPE mood AS ENUM ('good', 'bad');
  CREATE TABLE teams (id serial PRIMARY KEY, name varchar(5) NOT NULL UNIQUE, mood mood, size int CHECK (size > 0));
  CREATE TABLE users (id uuid PRIMARY KEY, team int NOT NULL REFERENCES teams, kind text CHECK (kind IN ('a', 'b')), tags text[], data jsonb, at timestamptz DEFAULT now(), hits int NOT NULL DEFAULT 0);
  CREATE TABLE notes (version text); INSERT INTO notes VALUES ('1')`;
const migration =
  "ALTER TABLE users DROP COLUMN kind, ALTER hits TYPE bigint; ALTER TABLE teams ADD motto text; INSERT INTO notes VALUES ('2')";

async function database(name: string, ...sql: readonly string[]): Promise<Client> {
  await server.query(`CREATE DATABASE ${name}`);
  const client = new Client({ ...server.connection, database: name });
  clients.push(client);
  await client.connect();
  for (const one of sql) await client.query(one);
  return client;
}
/** As `try` answers: the first column of each row, null where it is not known. */
const answers = ({ ask }: Questions, client: Client): Promise<Answer[]> =>
  Promise.all(
    ask.map(({ sql }) =>
      client.query<[unknown]>({ text: sql, rowMode: 'array' }).then(
        ({ rows }) => rows.map(([value]) => value),
        () => null,
      ),
    ),
  );

test('rows of every table, the same for the same seed, and none in the notes of a tool', async () => {
  const [one, two] = [await database('rows_a', old), await database('rows_b', old)];
  const write = (client: Client) => writeRows(client, { seed: 3, rows: 8, leaves: ['public.notes'] });
  const written = await write(one);
  expect(written.without).toEqual([]);
  expect(written.statements).toHaveLength(16);
  expect((await write(two)).statements).toEqual(written.statements);
  expect((await one.query('SELECT * FROM notes')).rows).toEqual([{ version: '1' }]);
});

test('a fallback that is right is right, and each kind of fault is named', async () => {
  const source = await database('source', old);
  const { statements } = await writeRows(source, { seed: 5, rows: 6, leaves: ['public.notes'] });
  const now = await database('now', old, ...statements, migration);
  const questions = await questionsFor(source, await readTables(source), await readTables(now), ['public.notes']);
  expect(questions.onlyOld).toEqual(['public.users (kind)']);
  const judged = async (name: string, ...sql: readonly string[]): Promise<string[]> => {
    const fallback = await database(name, old, ...statements, ...sql);
    return judge(questions, await answers(questions, fallback), await answers(questions, now));
  };
  expect(await judged('as_it_was')).toEqual([]);
  expect(await judged('missing', 'DELETE FROM users WHERE id = (SELECT min(id::text)::uuid FROM users)')).toEqual([
    expect.stringMatching(/^public.users: 5 rows, \w+ on the fallback, 6 rows, \w+ on production$/),
  ]);
  expect(await judged('changed', "UPDATE teams SET name = 'x' WHERE id = 1")).toEqual([expect.stringContaining('public.teams: 6 rows')]);
  expect(await judged('gone', 'UPDATE users SET kind = NULL')).toEqual([expect.stringContaining('rows are not as they were, first')]);
  expect(await judged('retyped', 'UPDATE users SET hits = hits + 1')).toEqual([expect.stringContaining('6 rows are not as they were')]);
  expect(await judged('noted', "INSERT INTO notes VALUES ('2')")).toEqual([
    expect.stringContaining('public.notes: 1 rows are not as they were'),
  ]);
  expect(await judged('dropped', 'DROP TABLE users')).toContain('public.users: the fallback does not know it');
  // what the new release writes into a column of another type is as good as what was there.
  await now.query('UPDATE users SET hits = 77');
  expect(await judged('followed', 'UPDATE users SET hits = 77')).toEqual([]);
});

test.each([
  ['catalog.ts', ['pg']],
  ['rows.ts', ['pg', '../soak/random', './catalog']],
  ['judge.ts', ['pg', './catalog']],
])('%s imports nothing of the product', (file, allowed) => {
  const text = readFileSync(join(__dirname, '..', '..', 'lib', 'pairs', file), 'utf8');
  expect([...text.matchAll(/(?:from|import|require\() ?'([^']+)'/g)].map(([, name]) => name)).toEqual(allowed);
});
