import { fence, openTo } from '../../../lib/postgres/access/fence';
import { allowMigrations, forbidMigrations } from '../../../lib/postgres/access/roles';
import type { Db } from '../../../lib/postgres/connection/connect';
import { majorVersion } from '../../../lib/postgres/connection/server';
import { copyTables, feedHealth, pauseFeed, resumeFeed } from '../../../lib/postgres/replication/feed';
import { markerRoundTrip } from '../../../lib/postgres/replication/marker';
import { ensureFeedUser, feedName } from '../../../lib/postgres/replication/subscription';
import { bridge, bridgeScript } from '../../../lib/postgres/schema/bridge';
import { type Catalog, readCatalog } from '../../../lib/postgres/schema/catalog';
import { type Classification, classify } from '../../../lib/postgres/schema/classify';
import type { Declared } from '../../../lib/postgres/schema/declared';
import { mapping } from '../../../lib/postgres/schema/mapping';
import { footprint, shipFootprint } from '../../../lib/postgres/verification/footprint';
import { type RoundTrip, roundTrip } from '../../../lib/postgres/verification/round-trip';
import { everything } from '../everything';
import {
  allowFeeding,
  blue,
  database,
  feed,
  forkTo,
  migrator,
  prepareUsers,
  roles,
  type Server,
  startServer,
  stopServers,
} from '../servers';

const name = feedName('w1');
let [a, b]: Server[] = [];
let production: Db;
let fallback: Db;
let stray: Db;
let now: Catalog;
let classification: Classification;

const before = `
  CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text UNIQUE CHECK (email LIKE '%@%'));
  INSERT INTO people (name, email) SELECT 'Ada King', i || '@x' FROM generate_series(1, 20) i;
  CREATE TABLE notes (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int REFERENCES people, text text);
  CREATE TABLE log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
  CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log (what) VALUES (TG_OP); RETURN NEW; END $$;
  CREATE TRIGGER logged AFTER INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION logged();
  CREATE TABLE prices (id int PRIMARY KEY, amount numeric(10,2), code char(3) NOT NULL);
  INSERT INTO prices VALUES (1, 1.25, 'EUR');
  CREATE TABLE cards (person int PRIMARY KEY REFERENCES people, label text NOT NULL);
  INSERT INTO cards VALUES (3, '3@x');
  CREATE TABLE stubs (id int PRIMARY KEY CHECK (id = 1), person int NOT NULL REFERENCES people, label text NOT NULL);
  CREATE TABLE odd (id int PRIMARY KEY, kind text NOT NULL CHECK (kind IN ('a', 'b')));
  CREATE TABLE slots (during tsrange NOT NULL, EXCLUDE USING gist (during WITH &&), id uuid PRIMARY KEY);
  INSERT INTO slots VALUES ('[2026-01-01,2026-01-02)', gen_random_uuid());
`;
const migrations = [
  'ALTER TABLE people ADD COLUMN first text, ADD COLUMN last text',
  // never large, so that the fallback computes what is declared.
  'ALTER TABLE people ALTER first SET STORAGE PLAIN, ALTER last SET STORAGE PLAIN',
  "UPDATE people SET first = split_part(name, ' ', 1), last = split_part(name, ' ', 2)",
  'ALTER TABLE people DROP COLUMN name',
  'ALTER TABLE cards DROP COLUMN label',
  'ALTER TABLE stubs DROP COLUMN label',
  'ALTER TABLE prices ALTER amount TYPE numeric(10,4)',
  'CREATE TABLE addresses (person int PRIMARY KEY, city text)',
  "INSERT INTO addresses SELECT id, 'Bonn' FROM people",
];
const declared: Declared = {
  columns: [
    { table: 'public.people', column: 'name', from: "concat_ws(' ', NEW.first, NEW.last)" },
    ...['public.cards', 'public.stubs'].map((table) => ({
      table,
      column: 'label',
      from: '(SELECT email FROM public.people WHERE id = NEW.person)',
    })),
  ],
  rows: [
    {
      of: 'public.addresses',
      run: 'INSERT INTO notes (id, person, text) OVERRIDING SYSTEM VALUE VALUES (-NEW.person, NEW.person, NEW.city) ON CONFLICT (id) DO UPDATE SET text = excluded.text',
    },
  ],
};

beforeAll(async () => {
  a = await startServer();
  production = await a.master();
  await production.query(before);
  await prepareUsers(production);
  await allowFeeding(a);
  await ensureFeedUser(production, { user: feed.username, password: feed.password, roles, database });
  b = await a.standby();
  const source = { address: a.address, login: feed };
  fallback = await forkTo(b!, { production, name, source });
  stray = await b.superuser();
  await fence(production, roles);
  await markerRoundTrip(production, fallback);
  const old = await readCatalog(fallback);
  await pauseFeed(production, fallback, name);
  await allowMigrations(production, roles);
  const migration = await a.as(migrator);
  for (const sql of migrations) await migration.query(sql);
  await forbidMigrations(production, roles);
  now = await readCatalog(production);
  classification = classify(old, now, declared);
  const script = bridgeScript(classification.plan);
  await bridge(production, fallback, roles, script);
  const map = mapping(classification.plan, { names: 'new', declared, copied: false });
  await shipFootprint(production, fallback, classification.plan, await footprint(production, fallback, classification.plan, map));
  await resumeFeed(production, fallback, name, source, script.publication);
  await copyTables(production, fallback, name, script.copied);
  await markerRoundTrip(production, fallback);
});
afterAll(stopServers);

const take = (options: { live?: boolean; accepted?: string[] } = {}): Promise<RoundTrip> =>
  roundTrip(production, fallback, { name, now, plan: classification.plan, declared, ...options });

/** What is on both sides is the same after as before. */
async function leavingNothing<T>(action: () => Promise<T>): Promise<T> {
  const was = [await everything(production), await everything(fallback)];
  const result = await action();
  await markerRoundTrip(production, fallback);
  expect(await everything(production)).toEqual(was[0]);
  expect(await everything(fallback)).toEqual(was[1]);
  return result;
}

const found = (trip: RoundTrip) =>
  Object.fromEntries(
    trip.tables.map(({ table, made, written, why }) => [table, { made, written, ...(why.length > 0 ? { why: why.join('; ') } : {}) }]),
  );

const proven = {
  'public.people': { made: true, written: false, why: 'an update of a row that is there would fill first, last on the fallback' },
  'public.notes': { made: true, written: false, why: 'it is empty' },
  'public.log': { made: true, written: true },
  'public.prices': { made: true, written: true },
  // the only row that could be made belongs to nobody.
  'public.cards': {
    made: false,
    written: true,
    why: 'a row could only be made that points nowhere, and the fallback did not take that',
  },
  'public.stubs': { made: true, written: false, why: 'it is empty' },
  'public.odd': { made: false, written: false, why: expect.stringContaining('violates check constraint "odd_kind_check"; it is empty') },
  'public.slots': { made: false, written: true, why: expect.stringContaining('conflicting key value violates exclusion constraint') },
  'public.addresses': { made: true, written: true },
};

test('a row of every table arrives and is gone again; triggers stay silent, sequences still, and a declared bridge leaves nothing', async () => {
  const trip = await leavingNothing(() => take());
  expect(trip).toMatchObject({ refused: [], lost: [] });
  expect(found(trip)).toEqual(proven);
});

test('without the right to act as the apply worker, triggers are silenced one by one, and are as before afterwards', async () => {
  if ((await majorVersion(production)) < 16) return;
  for (const server of [a, b]) await server!.test.query('REVOKE SET ON PARAMETER session_replication_role FROM master');
  try {
    const trip = await leavingNothing(() => take());
    expect(trip).toMatchObject({ refused: [], lost: [] });
    const foreignKey = {
      made: true,
      written: false,
      why: 'not rehearsed to the end: insert or update on table "notes" violates foreign key constraint "notes_person_fkey"',
    };
    const keys = {
      'public.addresses': foreignKey,
      'public.cards': {
        ...proven['public.cards'],
        why: expect.stringContaining('no row could be made: insert or update on table "cards"'),
      },
    };
    expect(found(trip)).toEqual({ ...proven, ...keys });
    // with customers at work no table is locked for it.
    const live = await leavingNothing(() => take({ live: true }));
    expect(live).toMatchObject({ refused: [], lost: [] });
    expect(found(live)).toEqual({
      ...proven,
      ...keys,
      'public.people': { made: false, written: false, why: 'its triggers would fire: logged' },
    });
  } finally {
    for (const server of [a, b]) await server!.test.query('GRANT SET ON PARAMETER session_replication_role TO master');
  }
});

describe('a bridge that cannot take the rows is found before anything is sent, in the words of PostgreSQL', () => {
  const broken: [what: string, doIt: string, undoIt: string, refused: string[]][] = [
    [
      'a declared expression that fails',
      bridgeFunction((body) => body.replace('NEW.first', 'NEW.frist')),
      bridgeFunction((body) => body.replace('NEW.frist', 'NEW.first')),
      ['public.people: an insert fails on the fallback: record "new" has no field "frist"'],
    ],
    [
      'a declared expression that knows no answer where a value is left out',
      bridgeFunction((body) => body.replace("concat_ws(' ', NEW.first, NEW.last)", "NEW.first || ' ' || NEW.last")),
      bridgeFunction((body) => body.replace("NEW.first || ' ' || NEW.last", "concat_ws(' ', NEW.first, NEW.last)")),
      [
        'public.people: an update that leaves out every value that may be left out fails on the fallback: null value in column "name" of relation "people" violates not-null constraint',
      ],
    ],
    [
      'a declared expression that makes something else of it',
      bridgeFunction((body) => body.replace("concat_ws(' '", "concat_ws('-'")),
      bridgeFunction((body) => body.replace("concat_ws('-'", "concat_ws(' '")),
      ['public.people: an insert arrives with another value in (old."name")::text'],
    ],
    [
      'a column that is missing',
      'ALTER TABLE people RENAME COLUMN first TO premier',
      'ALTER TABLE people RENAME COLUMN premier TO first',
      ['public.people: an insert fails on the fallback: column "first" of relation "people" does not exist'],
    ],
    [
      'a column that must have a value and gets none',
      "ALTER TABLE addresses ADD COLUMN zip text NOT NULL DEFAULT ''; ALTER TABLE addresses ALTER zip DROP DEFAULT",
      'ALTER TABLE addresses DROP COLUMN zip',
      [
        'public.addresses: an insert fails on the fallback: null value in column "zip" of relation "addresses" violates not-null constraint',
      ],
    ],
    [
      'what a declared bridge does to other tables',
      "ALTER TABLE notes ADD CHECK (text <> 'Bonn') NOT VALID",
      'ALTER TABLE notes DROP CONSTRAINT notes_text_check',
      ['public.addresses: an insert fails on the fallback: new row for relation "notes" violates check constraint "notes_text_check"'],
    ],
    [
      'a type that rounds without an error',
      'ALTER TABLE prices ALTER amount TYPE numeric(10,0) USING 1.25',
      'ALTER TABLE prices ALTER amount TYPE numeric(10,4) USING 1.25',
      ['public.prices: an insert arrives with another value in trim_scale'],
    ],
    [
      'a row that the fallback lacks',
      'ALTER TABLE prices DISABLE TRIGGER ALL; DELETE FROM prices',
      "INSERT INTO prices VALUES (1, 1.25, 'EUR'); ALTER TABLE prices ENABLE TRIGGER ALL",
      ['public.prices: a row that production has is missing on the fallback'],
    ],
    [
      'a key of the fallback that production does not send',
      'CREATE UNIQUE INDEX by_code ON prices (code); ALTER TABLE prices REPLICA IDENTITY USING INDEX by_code',
      'DROP INDEX by_code; ALTER TABLE prices REPLICA IDENTITY DEFAULT',
      ['public.prices: the fallback finds its rows by code, and production does not send code'],
    ],
    [
      'a row that is not found again',
      `CREATE FUNCTION switchback.hidden() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER hidden BEFORE DELETE ON prices FOR EACH ROW EXECUTE FUNCTION switchback.hidden(); ALTER TABLE prices ENABLE REPLICA TRIGGER hidden`,
      'DROP TRIGGER hidden ON prices; DROP FUNCTION switchback.hidden()',
      ['public.prices: a delete does not find its row on the fallback: it would be lost without an error'],
    ],
    [
      'a rule that only the fallback has, by two rows that it does not tell apart',
      'ALTER TABLE notes ADD CONSTRAINT one_text UNIQUE (person, text)',
      'ALTER TABLE notes DROP CONSTRAINT one_text',
      ['public.notes: an insert fails on the fallback: duplicate key value violates unique constraint "one_text"'],
    ],
    [
      'rows that nobody may apply',
      'REVOKE INSERT ON prices FROM video_owner',
      'GRANT INSERT ON prices TO video_owner',
      ['public.prices: an insert fails on the fallback: permission denied for table prices'],
    ],
  ];

  test.each(broken)('%s', async (what, doIt, undoIt, refused) => {
    // before PostgreSQL 16 the subscription's owner applies, and may everything.
    if (what === 'rows that nobody may apply' && (await majorVersion(fallback)) < 16) return;
    await stray.query(doIt);
    try {
      const trip = await leavingNothing(() => take());
      expect(trip.refused.map(({ message }) => message)).toEqual(refused.map((words) => expect.stringContaining(words)));
      // what is accepted is not sent either, or it would stop the feed.
      const accepted = await leavingNothing(() => take({ accepted: trip.refused.map(({ id }) => id) }));
      expect(accepted).toMatchObject({ refused: [], lost: [] });
      expect((await feedHealth(production, fallback, name)).applyErrors).toBe(0);
    } finally {
      await stray.query(undoIt);
    }
    expect(await leavingNothing(() => take())).toMatchObject({ refused: [], lost: [] });
  });

  /** The function of the generated trigger, with another body. */
  function bridgeFunction(change: (body: string) => string): string {
    const of = (text: string): string => `'${text.replaceAll("'", "''")}'`;
    // the change as SQL: what it makes of the three expressions that the tests know.
    const bodies = [
      "concat_ws(' ', NEW.first, NEW.last)",
      "concat_ws(' ', NEW.frist, NEW.last)",
      "NEW.first || ' ' || NEW.last",
      "concat_ws('-', NEW.first, NEW.last)",
    ];
    const replaced = bodies
      .map((body) => `WHEN position(${of(body)} in d) > 0 THEN replace(d, ${of(body)}, ${of(change(body))})`)
      .join(' ');
    return `DO $do$ DECLARE d text; BEGIN
      SELECT pg_get_functiondef(tgfoid) INTO d FROM pg_trigger WHERE tgrelid = 'people'::regclass AND tgname LIKE 'switchback_bridge_%';
      EXECUTE CASE ${replaced} END;
    END $do$`;
  }
});

test('an error that only the apply worker meets stops the round trip, and once it is mended the feed goes on by itself', async () => {
  await stray.query(`CREATE FUNCTION switchback.only_applying() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF inet_client_port() IS NULL THEN RAISE 'not by you'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER only_applying BEFORE INSERT ON prices FOR EACH ROW EXECUTE FUNCTION switchback.only_applying(); ALTER TABLE prices ENABLE REPLICA TRIGGER only_applying`);
  const trip = await take();
  expect(trip.refused).toEqual([]);
  expect(trip.lost).toEqual([expect.stringContaining('stops with an error that the rehearsal did not have')]);
  await stray.query('DROP TRIGGER only_applying ON prices; DROP FUNCTION switchback.only_applying()');
  await markerRoundTrip(production, fallback);
  expect(await leavingNothing(() => take())).toMatchObject({ refused: [], lost: [] });
});

test('with customers at work it holds nobody up and takes nothing of theirs', async () => {
  await openTo(production, roles, blue.username);
  const customer = await a!.as(blue);
  try {
    const held = await customer.transaction(async (inside) => {
      // every row that there is, is held.
      await inside.query('SELECT FROM people FOR UPDATE');
      await inside.query('SELECT FROM prices FOR UPDATE');
      return take({ live: true });
    });
    expect(held).toMatchObject({ refused: [], lost: [] });
    expect(found(held)['public.prices']).toEqual({ made: true, written: false, why: 'it is empty' });
    expect(await leavingNothing(() => take({ live: true }))).toMatchObject({ refused: [], lost: [] });
  } finally {
    await fence(production, roles);
  }
});
