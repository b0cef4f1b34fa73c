/**
 * A dozen sessions do twelve kinds of transactions at random moments around fence and proof. A row that was not there when the proof was given
 * and is there later came behind it: there must be none, whatever was acknowledged when. SWITCHBACK_SEED repeats a run.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { endWriters, fence, openTo, type Proof, proveFenced } from '../../../lib/postgres/access/fence';
import { allowMigrations } from '../../../lib/postgres/access/roles';
import { connect, DatabaseError, type Db } from '../../../lib/postgres/connection/connect';
import { pollEvery } from '../../../lib/postgres/connection/lsn';
import { blue, migrator, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

const seed = Number(process.env['SWITCHBACK_SEED'] ?? Date.now() % 1_000_000_007);
const sessions = 12;
const rounds = 8;

/** Mulberry32: the same moments for the same seed, as far as two machines can be the same. */
function dice(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

let server: Server;
let db: Db;
beforeAll(async () => {
  server = await startServer();
  db = await server.master();
  await prepareUsers(db);
  await allowMigrations(db, roles);
  const migration = await server.as(migrator);
  await migration.query(`CREATE TABLE rows (id text PRIMARY KEY, n int NOT NULL DEFAULT 0); CREATE TABLE numbered (n serial PRIMARY KEY, id text NOT NULL);
    CREATE TABLE totals (n int PRIMARY KEY, sum bigint NOT NULL); INSERT INTO totals SELECT i, 0 FROM generate_series(0, 3) i;
    CREATE FUNCTION put(text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.rows VALUES ($1); END $$`);
  await fence(db, roles);
});
afterAll(stopServers);

/** Named, as drivers do it: nothing has to be looked up to run them again, so nothing brings the new rights. */
const prepared = `SET plan_cache_mode = force_generic_plan;
  PREPARE put AS INSERT INTO rows VALUES ($1);
  PREPARE look AS SELECT n FROM rows WHERE id = $1;
  PREPARE none AS UPDATE rows SET n = n + 1 WHERE id = $1;
  PREPARE add AS UPDATE totals SET sum = sum + 1 WHERE n = $1`;

/** What a customer's transaction sends, with pauses between. */
type Kind = (id: string, n: () => number) => readonly string[];
const reads = (n: () => number): string[] => Array.from({ length: Math.floor(n() ** 2 * 60) }, () => "EXECUTE look('none')");
const kinds: readonly Kind[] = [
  (id) => [`INSERT INTO rows VALUES ('${id}')`],
  (id) => [`EXECUTE put('${id}')`],
  (id, n) => ['BEGIN', `EXECUTE put('${id}')`, ...reads(n), 'COMMIT'],
  // has locked, written nothing, reads, and writes late.
  (id, n) => ["BEGIN; EXECUTE look('none'); EXECUTE none('none')", ...reads(n), `EXECUTE put('${id}')`, 'COMMIT'],
  (id, n) => ['BEGIN', "EXECUTE none('none')", ...reads(n), `EXECUTE put('${id}'); COMMIT`],
  (id, n) => ['BEGIN', `EXECUTE add(${Math.floor(n() * 4)})`, ...reads(n), `EXECUTE put('${id}')`, 'COMMIT'],
  (id, n) => [
    `BEGIN; EXECUTE put('${id}-undone')`,
    'SAVEPOINT s',
    "EXECUTE none('none')",
    'ROLLBACK TO s',
    ...reads(n),
    `EXECUTE put('${id}')`,
    'COMMIT',
  ],
  (id, n) => ['BEGIN', 'SELECT FROM totals WHERE n = 3 FOR UPDATE', ...reads(n), `INSERT INTO numbered (id) VALUES ('${id}')`, 'COMMIT'],
  (id) => [`WITH w AS (INSERT INTO rows VALUES ('${id}') RETURNING id) INSERT INTO numbered (id) SELECT id FROM w`],
  (id, n) => [
    'BEGIN ISOLATION LEVEL REPEATABLE READ',
    "EXECUTE look('none')",
    "EXECUTE none('none')",
    ...reads(n),
    `SELECT put('${id}')`,
    'COMMIT',
  ],
  (id) => [
    `DO $$ BEGIN FOR i IN 1..20 LOOP PERFORM pg_sleep(0.002); UPDATE public.rows SET n = n WHERE id = 'none'; END LOOP; INSERT INTO public.rows VALUES ('${id}'); END $$`,
  ],
  (id, n) => [
    'BEGIN',
    'LOCK TABLE rows IN ROW EXCLUSIVE MODE',
    ...reads(n),
    `INSERT INTO rows VALUES ('${id}') ON CONFLICT (id) DO UPDATE SET n = 1`,
    'COMMIT',
  ],
];

class Customer {
  readonly acknowledged: string[] = [];
  readonly ends: Record<string, number> = {};

  constructor(
    private readonly name: string,
    private readonly n: () => number,
  ) {}

  async run(over: () => boolean): Promise<void> {
    let session: Db | undefined;
    for (let count = 0; !over(); count += 1) {
      try {
        if (!session) {
          session = await connect(server.address, blue, { applicationName: 'customer' });
          await session.query(prepared);
        }
        await this.transaction(session, `${this.name}-${count}`);
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        const lost = error.name !== 'DatabaseError';
        const how = lost ? 'ended' : (error.sqlstate ?? 'unknown');
        this.ends[how] = (this.ends[how] ?? 0) + 1;
        if (lost) session = undefined;
        else await session?.query('ROLLBACK').catch(() => (session = undefined));
      }
    }
    await session?.close();
  }

  private async transaction(session: Db, id: string): Promise<void> {
    for (const statement of kinds[Math.floor(this.n() * kinds.length)]!(id, this.n)) {
      await session.query(statement);
      if (this.n() < 0.5) await pause(Math.floor(this.n() * 12));
    }
    this.acknowledged.push(id);
  }
}

async function ended(graceMs: number): Promise<Proof> {
  await endWriters(db, { graceMs });
  return proveFenced(db, roles);
}
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
async function until(so: () => boolean): Promise<void> {
  const poll = pollEvery(5, 60_000, 'enough of what customers do');
  while (!so()) await poll();
}

const present = async (): Promise<Set<string>> =>
  new Set(
    (await server.test.query<{ id: string }>('SELECT id FROM rows UNION SELECT id FROM numbered', undefined, server.address.database)).map(
      ({ id }) => id,
    ),
  );

test(`a dozen sessions, twelve kinds of transactions around the fence: no row comes behind the proof (seed ${seed})`, async () => {
  const n = dice(seed);
  const seen: {
    proven: number;
    reasons: string[];
    behind: string[];
    missing: string[];
    acknowledged: number;
    ends: Record<string, number>;
  } = {
    ...{ proven: 0, reasons: [], behind: [], missing: [], acknowledged: 0, ends: {} },
  };
  for (let round = 0; round < rounds; round += 1) {
    await openTo(db, roles, blue.username);
    let over = false;
    const customers = Array.from({ length: sessions }, (_, i) => new Customer(`r${round}-s${i}`, dice(seed + round * 100 + i)));
    const running = customers.map((customer) => customer.run(() => over));
    // at work, however slow the machine is; then at any moment.
    await until(() => sum(customers.map(({ acknowledged }) => acknowledged.length)) >= sessions);
    await pause(n() * 100);
    await fence(db, roles);
    if (n() < 0.5) await pause(n() * 20);
    // as the step does: a row lock that was waited for may have given somebody a number since, who is ended then.
    let proof = await ended(n() * 40);
    for (let tries = 1; !proof.proven && tries < 3; tries += 1) proof = await ended(0);
    const { proven, reasons } = proof;
    seen.reasons.push(...reasons);
    const before = await present();
    const refused = () => sum(customers.map(({ ends }) => ends['42501'] ?? 0));
    const enough = refused() + sessions;
    await until(() => refused() >= enough);
    over = true;
    await Promise.all(running);
    const after = await present();
    if (proven) {
      seen.proven += 1;
      seen.behind.push(...[...after].filter((id) => !before.has(id)));
    }
    for (const { acknowledged, ends } of customers) {
      seen.acknowledged += acknowledged.length;
      seen.missing.push(...acknowledged.filter((id) => !after.has(id)));
      for (const [how, count] of Object.entries(ends)) seen.ends[how] = (seen.ends[how] ?? 0) + count;
    }
  }
  expect(seen).toMatchObject({ proven: rounds, reasons: [], behind: [], missing: [] });
  // they were at it, and ran into the fence.
  expect(seen.acknowledged).toBeGreaterThanOrEqual(rounds * sessions);
  expect(seen.ends['ended']).toBeGreaterThan(0);
});
