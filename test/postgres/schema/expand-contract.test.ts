import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { type Catalog, readCatalog } from '../../../lib/postgres/schema/catalog';
import { classify } from '../../../lib/postgres/schema/classify';
import type { Difference } from '../../../lib/postgres/schema/difference';
import { contractPart, deferrable, twoPartsText } from '../../../lib/postgres/schema/expand-contract';
import { startServer, type TestServer } from '../../_helpers/postgres';

let server: TestServer;
let db: Db;
/** Before the migrations, after the expand part, after the contract part. */
let [before, expanded, contracted]: Catalog[] = [];
beforeAll(async () => {
  server = await startServer();
  db = await connect(
    { host: server.host, port: server.port, database: 'postgres' },
    { username: server.superuser, password: server.password },
  );
  await db.query(
    'create table users (id int primary key, login text not null, nick text, email text not null, born date not null, constraint grown check (id > 0)); create unique index users_email on users (email)',
  );
  before = await readCatalog(db);
  await db.query('alter table users add phone text; alter table users alter born drop not null');
  expanded = await readCatalog(db);
  await db.query(
    'alter table users drop login, drop nick, drop born, drop constraint grown; drop index users_email; create table late (id int primary key)',
  );
  contracted = await readCatalog(db);
});
afterAll(async () => {
  await db.close();
  await server.stop();
});

const ids = (differences: readonly Difference[]) => differences.map(({ id }) => id).sort();

test('what only the contract part changes needs no bridge: so many are saved, each named', () => {
  const night = classify(before!, expanded!).differences;
  const { changes, saved } = contractPart(night, classify(before!, contracted!).differences);
  // a nullable column that goes needs no bridge anyway, and born is bridged already: it may be NULL from the expand part on.
  expect(ids(saved)).toEqual(['public.late:added', 'public.users.login:dropped', 'public.users:grown', 'public.users:users_email']);
  expect(ids(changes)).toEqual([...ids(saved), 'public.users.born:dropped', 'public.users.nick:dropped'].sort());
  expect(ids(night)).toEqual(['public.users.born:nullable', 'public.users.phone:added']);
});

test('in one part, it is said which bridges a contract part would save', () => {
  const all = classify(before!, contracted!);
  expect(ids(deferrable(all))).toEqual([
    'public.users.born:dropped',
    'public.users.login:dropped',
    'public.users:grown',
    'public.users:users_email',
  ]);
  expect(twoPartsText({ deferrable: ['public.users:grown'] })).toBe(
    'a contract part, at the teardown, would save 1 bridge: public.users:grown',
  );
  expect(twoPartsText({ deferrable: [] })).toBeUndefined();
});

test('a contract part that fails on a copy of today is said, with what that may mean', () => {
  const failed = 'ended with exit code 1: column "phone" of relation "users" contains null values';
  expect(twoPartsText({ deferrable: [], contract: { changes: [], saved: [], failed } })).toBe(
    `the contract part ${failed}. It may count on what the new release writes until the teardown; if it does not, the teardown will stop there`,
  );
});

test('a contract part that saves nothing is said to save nothing', () => {
  const night = classify(before!, expanded!).differences;
  expect(twoPartsText({ deferrable: [], contract: contractPart(night, night) })).toBe(
    'the contract part, at the teardown, changes 0 more and saves 0 bridges',
  );
});
