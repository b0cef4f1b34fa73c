/** One pair of releases: schema and rows of the old one, the migrations between the two, and what comes of a window with them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { Pair as Servers } from '../../../sandbox/lib/postgres/pair';
import { readTables } from './catalog';
import { type Answer, judge, questionsFor } from './judge';
import { NotFetched } from './packages';
import type { Releases } from './releases';
import { writeRows } from './rows';

export type Result = 'right' | 'declared' | 'refused' | 'wrong' | 'stopped' | 'not run';

export interface Told {
  readonly id: string;
  readonly application: string;
  readonly from: string;
  readonly to: string;
  readonly result: Result;
  /** What had to be declared, what was refused, or what went wrong. */
  readonly why: readonly string[];
  readonly tables: number;
  readonly rows: number;
  readonly migrations: number;
  readonly seconds: number;
}

interface Tried {
  readonly outcome: 'lossless' | 'refused' | 'wrong' | 'failed';
  readonly at: string;
  readonly differences: readonly string[];
  readonly asked: readonly Answer[];
  readonly askedOfProduction: readonly Answer[];
  readonly seconds: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly rows: number;
  readonly say: (text: string) => void;
}

/** `scratch`: servers for finding out; the window has its own. */
export async function runPair(one: Releases, scratch: Servers, { seed, rows, say }: RunOptions): Promise<Told> {
  const told = { id: one.id, application: one.application, from: one.from, to: one.to };
  const nothing = { tables: 0, rows: 0, migrations: 0, seconds: 0 };
  const folder = mkdtempSync(join(tmpdir(), 'switchback-pairs-'));
  const database = `pair_${one.id.replaceAll('-', '_')}`;
  let client: Client | undefined;
  try {
    say(`${one.id}: ${one.from} to ${one.to}`);
    await scratch.createDatabase(database);
    client = new Client({ ...scratch.address('primary'), user: scratch.master.username, password: scratch.master.password, database });
    await client.connect();
    const old = await one.old(client);
    const before = await readTables(client);
    const seeded = await writeRows(client, {
      seed,
      rows,
      leaves: one.notes,
      full: one.full ?? false,
      ...(one.uuids ? { uuids: one.uuids } : {}),
    });
    const about = { ...nothing, tables: before.length, rows: seeded.statements.length };
    if (seeded.without.length > 0) say(`${one.id}: no row could be made up for ${seeded.without.join(', ')}`);
    // what is kept is asked before the migrations; what both know, only they tell.
    const twin = `${database}_old`;
    await client.end();
    await scratch.createDatabase(twin, database);
    client = new Client({ ...scratch.address('primary'), user: scratch.master.username, password: scratch.master.password, database });
    await client.connect();
    const migrations = await one.migrations(client);
    const after = await readTables(client);
    const writes = await writeRows(client, {
      seed: seed + 1,
      rows: Math.ceil(rows / 2),
      changes: true,
      leaves: one.notes,
      full: one.full ?? false,
    });
    const asker = new Client({
      ...scratch.address('primary'),
      user: scratch.master.username,
      password: scratch.master.password,
      database: twin,
    });
    await asker.connect();
    const questions = await questionsFor(asker, before, after, one.notes);
    await asker.end();
    const file = (name: string, statements: readonly string[]): string => {
      const path = join(folder, name);
      writeFileSync(path, `${statements.map(ended).join('\n')}\n`);
      return path;
    };
    const { prepare, accept = [], bridges, bookkeeping } = one.declare ?? {};
    const said = [
      ...(prepare ? [`run before: ${prepare}`] : []),
      ...(bookkeeping ? [`bookkeeping: ${one.notes.join(', ')}`] : []),
      ...accept.map((id) => `accepted: ${id}`),
      ...(bridges ? [`declared: ${JSON.stringify(bridges)}`] : []),
    ];
    const asked = questions.ask.flatMap(({ sql }) => ['--ask', sql]);
    const window = (first: readonly string[], more: readonly string[] = []): Promise<Tried> =>
      tryIt([
        ...['--before', file('before.sql', [...old, ...first, ...seeded.statements]), '--migrate', file('migrate.sql', migrations)],
        ...['--writes', file('writes.sql', writes.statements), ...asked, ...more],
      ]);
    let tried = await window([]);
    const declared = tried.outcome === 'refused' && one.declare !== undefined;
    if (declared) {
      tried = await window(prepare ? [prepare] : [], [
        ...(bridges ? ['--bridges', file('bridges.json', [JSON.stringify(bridges)])] : []),
        ...(bookkeeping ? ['--bookkeeping', ...one.notes] : []),
        ...(accept.length > 0 ? ['--accept-loss', ...accept] : []),
      ]);
    }
    const whole = { ...told, ...about, migrations: migrations.length, seconds: tried.seconds };
    if (tried.outcome === 'refused') return { ...whole, result: 'refused', why: tried.differences };
    // days before, nothing has stopped but the stage.
    const inTime = tried.at === 'preflight' || tried.at === 'trial';
    if (tried.outcome === 'failed')
      return { ...whole, result: inTime ? 'refused' : 'stopped', why: [`in the ${tried.at}: ${tried.differences.join('; ')}`] };
    const wrong = [...(tried.outcome === 'wrong' ? tried.differences : []), ...judge(questions, tried.asked, tried.askedOfProduction)];
    if (wrong.length > 0) return { ...whole, result: 'wrong', why: wrong };
    return { ...whole, result: declared ? 'declared' : 'right', why: declared ? said : [] };
  } catch (error) {
    if (error instanceof NotFetched) return { ...told, ...nothing, result: 'not run', why: [error.message] };
    // rows that nobody's application wrote, or a migration that runs by its own program only.
    return { ...told, ...nothing, result: 'not run', why: [(error as Error).message] };
  } finally {
    await client?.end();
    await scratch.dropDatabase(database);
    await scratch.dropDatabase(`${database}_old`);
    rmSync(folder, { recursive: true, force: true });
  }
}

const ended = (statement: string): string => (/^\{|;\s*$/.test(statement) ? statement : `${statement}\n;`);

/** As people type it. */
function tryIt(args: readonly string[]): Promise<Tried> {
  return new Promise((resolve, reject) => {
    execFile('npx', ['tsx', 'scripts/verb.ts', 'try', '--json', ...args], { maxBuffer: 1e8 }, (error, stdout, stderr) => {
      const line = stdout.split('\n').find((text) => text.includes('"try.finished"'));
      if (line) resolve(JSON.parse(line) as Tried);
      else reject(new Error(`try said nothing: ${stderr.trim().split('\n').slice(-5).join(' / ') || String(error)}`));
    });
  });
}
