/** What the fuzz is made of, without the product: windows from a seed, the model of what must be there, the judge, the shrinker. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Pair, startPair } from '../../../sandbox/lib/postgres/pair';
import { caseOf } from '../../lib/fuzz/case';
import { generate } from '../../lib/fuzz/generate';
import { type Ask, differences } from '../../lib/fuzz/judge';
import { hazards, kinds } from '../../lib/fuzz/kinds';
import { mutationsOf, named } from '../../lib/fuzz/mutations';
import { type Played, play } from '../../lib/fuzz/play';
import { shrink } from '../../lib/fuzz/shrink';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair();
  await pair.createDatabase('fuzz');
  await asSuperuser(async (ask) => {
    for (const role of ['owner', 'write', 'read']) await ask(`CREATE ROLE video_${role}`);
  });
});
afterAll(() => pair.end());

const asSuperuser = <T>(action: (ask: Ask) => Promise<T>): Promise<T> =>
  pair.asSuperuser('primary', 'fuzz', (session) => action((sql) => session.query(sql)));

/** Production's part of a window, as far as the opening has been written to. */
async function writeAll(ask: Ask, played: Played): Promise<void> {
  await ask('DROP SCHEMA public CASCADE');
  await ask('CREATE SCHEMA public');
  const { superuserBefore, before, superuserAfter, meanwhile, migrate, writes, superuserInHold } = played;
  for (const sql of [superuserBefore, before, superuserAfter, meanwhile, migrate, writes, superuserInHold].flat()) await ask(sql);
}

test('a seed is a window, always the same', () => {
  expect(play(generate(7))).toEqual(play(generate(7)));
  expect(play(generate(7))).not.toEqual(play(generate(8)));
});

test('every kind comes up, and one that is asked for always', () => {
  const found = new Set(Array.from({ length: 1500 }, (_, seed) => play(generate(seed)).kinds).flat());
  const all = [...kinds, ...hazards].map(({ name }) => name);
  expect(all.filter((name) => !found.has(name))).toEqual([]);
  expect(all.filter((name) => !play(generate(3, { kind: name })).kinds.includes(name))).toEqual([]);
});

test('what windows write is right SQL, and production is what the model says', async () => {
  for (const kind of [...kinds, ...hazards].map(({ name }) => name)) {
    const played = play(generate(11, { kind }));
    const found = await asSuperuser(async (ask) => {
      await writeAll(ask, played);
      return differences(ask, played.now, 'production');
    });
    expect({ kind, found }).toEqual({ kind, found: [] });
  }
});

test('a lost row, one too many and another value are found', async () => {
  const played = play(generate(5));
  const table = played.now.find(({ rows }) => rows.length > 2)!;
  const finder = table.columns[table.finder]!;
  const [one, two] = table.rows.map((row) => `'${`${row[table.finder] as string}`.replaceAll("'", "''")}'`);
  const found = await asSuperuser(async (ask) => {
    await writeAll(ask, played);
    await ask('SET session_replication_role = replica');
    await ask(`DELETE FROM ${table.table} WHERE ${finder} = ${one}`);
    const other = table.columns[table.finder === 0 ? 1 : 0]!;
    await ask(`ALTER TABLE ${table.table} ALTER ${other} TYPE text USING CASE WHEN ${finder} = ${two} THEN 'lost' ELSE ${other}::text END`);
    return differences(ask, [table, { ...table, rows: table.rows.slice(0, -1) }], 'production');
  });
  expect(found).toContainEqual(expect.stringMatching(/lacks the row/));
  expect(found).toContainEqual(expect.stringMatching(/is 'lost', right is/));
  expect(found).toContainEqual(expect.stringMatching(/has a row too many/));
});

test('a window that fails is made as small as it fails', async () => {
  const seed = Array.from({ length: 100 }, (_, n) => n).find((n) => generate(n).changes.length === 4)!;
  const plan = generate(seed);
  const needed = [plan.changes[2]!.id, plan.ops.at(-1)!.id];
  const asked: number[] = [];
  const without = await shrink(plan, async (candidates) => {
    asked.push(candidates.length);
    return candidates.map((struck) => needed.every((id) => !struck.has(id)));
  });
  const left = [...plan.changes, ...plan.ops].map(({ id }) => id).filter((id) => !without.has(id));
  expect(left.sort()).toEqual(needed.sort());
  expect(asked.length).toBeLessThan(40);
});

test('every kind of schema change can be switched off', () => {
  const root = join(__dirname, '../../../..');
  const mutations = mutationsOf(root);
  expect(mutations.length).toBeGreaterThan(15);
  const times = ({ file, find }: (typeof mutations)[number]): number => readFileSync(join(root, file), 'utf8').split(find).length - 1;
  expect(mutations.filter((one) => times(one) !== 1).map(({ name }) => name)).toEqual([]);
  const known = new Set([...kinds, ...hazards].map(({ name }) => name));
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test('what was found is a case for try, with the answers that the model has', () => {
  const played = play(generate(9));
  const found = caseOf('fuzz-9', played);
  expect(found).toMatchObject({ id: 'fuzz-9', must: 'right', old: played.before, change: played.migrate, write: played.writes });
  expect((found['expect'] as string[][]).map((rows) => rows.length)).toEqual(played.old.map(({ rows }) => rows.length));
});
