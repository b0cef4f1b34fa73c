/**
 * The auditor of the video host: compares what customers were told was done with the rows that are there. It shares no
 * code with Switchback, and asks the database directly.
 *
 *   npx tsx examples/video/audit.ts acks.jsonl   (with DATABASE_URL naming the production database)
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Client, type ClientConfig } from 'pg';
import type { Outcome } from './customers';

/** How the database looks: charges belong to users (1.0.0) or to accounts (2.0.0). */
export type Schema = 'v1' | 'v2';

export interface AuditOptions {
  /** What customers wrote: one outcome per line. */
  readonly files: readonly string[];
  /** The production database, with a user that can read. */
  readonly connection: string | ClientConfig;
  /** @default - found out by looking */
  readonly schema?: Schema;
}

/** Two copies of a worker that may run only once, at the same time. */
export interface Overlap {
  readonly worker: string;
  readonly first: string;
  readonly second: string;
  readonly from: string;
  readonly seconds: number;
}

export interface Audit {
  readonly schema: Schema;
  /** Writes that were acknowledged, and so must be there once. */
  readonly acknowledged: number;
  readonly lost: readonly string[];
  /** There more than once, whatever was answered. */
  readonly duplicated: readonly string[];
  /** There, but for another person, video or amount than was asked. */
  readonly changed: readonly string[];
  /** There although the answer was a refusal, which promises the opposite. */
  readonly refusedPresent: readonly string[];
  /** Writes without an answer that tells; both are right. */
  readonly unknownPresent: number;
  readonly unknownAbsent: number;
  readonly onceWorkerOverlaps: readonly Overlap[];
  /** Sums that must agree and do not, as sentences. */
  readonly inconsistencies: readonly string[];
  readonly totals: {
    readonly charges: number;
    readonly cents: number;
    readonly plays: number;
    readonly queued: number;
    readonly users: number;
  };
}

/** True when nothing is lost, doubled, altered or done twice. */
export const isClean = (audit: Audit): boolean =>
  [audit.lost, audit.duplicated, audit.changed, audit.refusedPresent, audit.onceWorkerOverlaps, audit.inconsistencies].every(
    (findings) => findings.length === 0,
  );

type Write = Outcome & { readonly ref: string };

/** One row that a write left behind. */
interface Found {
  readonly ref: string;
  readonly user?: number;
  readonly cents?: number;
  readonly video?: number;
}

const onceWorkers = ['clock', 'billing'];

export async function audit(options: AuditOptions): Promise<Audit> {
  const config = typeof options.connection === 'string' ? { connectionString: options.connection } : options.connection;
  const client = new Client({ application_name: 'auditor', ...config });
  await client.connect();
  try {
    // One snapshot for all questions: a play that moves from the queue to the table while we look must not be seen twice or never.
    await client.query('begin transaction isolation level repeatable read read only');
    const schema = options.schema ?? (await detectSchema(client));
    const checking = new Checking();
    for (const file of options.files) {
      for await (const writes of batchesOf(file)) checking.check(writes, await rowsOf(client, schema, writes));
    }
    return {
      schema,
      ...checking.result(),
      onceWorkerOverlaps: [...(await overlappingRuns(client)), ...(await overlappingTicks(client))],
      inconsistencies: await inconsistencies(client, schema),
      totals: await totals(client),
    };
  } finally {
    await client.end();
  }
}

/** Sorts writes by what was answered and what is there. */
class Checking {
  private readonly lost: string[] = [];
  private readonly duplicated: string[] = [];
  private readonly changed: string[] = [];
  private readonly refusedPresent: string[] = [];
  private acknowledged = 0;
  private unknownPresent = 0;
  private unknownAbsent = 0;

  check(writes: readonly Write[], rows: ReadonlyMap<string, readonly Found[]>): void {
    for (const write of writes) {
      const found = rows.get(write.ref) ?? [];
      if (found.length > 1) this.duplicated.push(write.ref);
      if (found.some((row) => differs(write, row))) this.changed.push(write.ref);
      const present = found.length > 0;
      if (write.write === 'acknowledged') {
        this.acknowledged += 1;
        if (!present) this.lost.push(write.ref);
      } else if (write.write === 'unknown') {
        if (present) this.unknownPresent += 1;
        else this.unknownAbsent += 1;
      } else if (present) this.refusedPresent.push(write.ref);
    }
  }

  result() {
    const { lost, duplicated, changed, refusedPresent, acknowledged, unknownPresent, unknownAbsent } = this;
    return { acknowledged, lost, duplicated, changed, refusedPresent, unknownPresent, unknownAbsent };
  }
}

const differs = (write: Write, row: Found) =>
  (['user', 'cents', 'video'] as const).some(
    (field) => write[field] !== undefined && row[field] !== undefined && write[field] !== row[field],
  );

/** The writes of a file, some thousands at a time: a hold lasts for days. */
async function* batchesOf(file: string): AsyncGenerator<Write[]> {
  let batch: Write[] = [];
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    const outcome = outcomeOf(line);
    if (!outcome?.write || outcome.ref === undefined) continue;
    batch.push(outcome as Write);
    if (batch.length === 5000) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** Undefined for a line cut short, which is what a killed writer leaves: it was not counted as acknowledged either. */
function outcomeOf(line: string): Outcome | undefined {
  try {
    return JSON.parse(line) as Outcome;
  } catch {
    return undefined;
  }
}

async function detectSchema(client: Client): Promise<Schema> {
  const { rows } = await client.query<{ v1: boolean; v2: boolean }>(
    `select to_regclass('public.charges') is not null as v1, to_regclass('public.accounts') is not null as v2`,
  );
  if (rows[0]?.v2) return 'v2';
  if (rows[0]?.v1) return 'v1';
  throw new Error('this is not a database of the video host: it has no table charges');
}

async function rowsOf(client: Client, schema: Schema, writes: readonly Write[]): Promise<Map<string, Found[]>> {
  const refs = (kind: string) => writes.filter((write) => write.kind === kind).map((write) => write.ref);
  const charges =
    schema === 'v1'
      ? 'select ref, user_id as "user", cents from charges where ref = any ($1)'
      : 'select c.ref, a.owner_id as "user", c.cents from charges c join accounts a on a.id = c.account_id where c.ref = any ($1)';
  // a play is a job until a worker has counted it
  const plays = `select ref, video_id as video from plays where ref = any ($1)
    union all select payload ->> 'ref', (payload ->> 'video')::integer from jobs where kind = 'play' and payload ->> 'ref' = any ($1)`;
  const questions: [string, string][] = [
    ['charge', charges],
    ['play', plays],
    ['signup', 'select email as ref from users where email = any ($1)'],
  ];
  const found = new Map<string, Found[]>();
  for (const [kind, sql] of questions) {
    const { rows } = await client.query<Found>(sql, [refs(kind)]);
    for (const row of rows) {
      const same = found.get(row.ref);
      if (same) same.push(row);
      else found.set(row.ref, [row]);
    }
  }
  return found;
}

const overlapColumns = `a.worker, a.who as first, b.who as second, greatest(a.began, b.began) as began,
  extract(epoch from least(a.ended, b.ended) - greatest(a.began, b.began))::float as seconds`;

/** By what the workers put on record when they started and stopped. */
async function overlappingRuns(client: Client): Promise<Overlap[]> {
  return overlaps(
    client,
    `with runs as (
       select worker, id, format('%s %s (%s)', color, release, instance) as who, started_at as began, coalesce(stopped_at, seen_at) as ended
         from worker_runs where worker = any ($1)
     )
     select ${overlapColumns} from runs a join runs b on a.worker = b.worker and a.id < b.id and a.began < b.ended and b.began < a.ended order by began`,
    [onceWorkers],
  );
}

/** By what the clock did: ticks of two instances that take turns. */
async function overlappingTicks(client: Client): Promise<Overlap[]> {
  return overlaps(
    client,
    `with runs as (
       select 'clock (by its ticks)' as worker, instance as id, instance::text as who, min(at) as began, max(at) as ended from ticks group by instance
     )
     select ${overlapColumns} from runs a join runs b on a.id < b.id and a.began < b.ended and b.began < a.ended order by began`,
    [],
  );
}

async function overlaps(client: Client, sql: string, values: unknown[]): Promise<Overlap[]> {
  const { rows } = await client.query<Omit<Overlap, 'from'> & { began: Date }>(sql, values);
  return rows.map(({ began, ...overlap }) => ({ ...overlap, from: began.toISOString() }));
}

async function inconsistencies(client: Client, schema: Schema): Promise<string[]> {
  const payer = schema === 'v1' ? 'user_id' : 'account_id';
  const questions: [string, string][] = [
    [
      `select count(*)::int as n from videos v left join (select video_id, count(*) as plays from plays group by video_id) p on p.video_id = v.id
        where v.play_count <> coalesce(p.plays, 0)`,
      'videos whose counter differs from their plays',
    ],
    [
      `select count(*)::int as n from invoices i left join (select invoice_id, sum(cents) as cents from charges group by invoice_id) c on c.invoice_id = i.id
        where i.cents is distinct from c.cents`,
      'invoices whose amount differs from their charges',
    ],
    [
      `select count(*)::int as n from charges c join invoices i on i.id = c.invoice_id where i.${payer} <> c.${payer}`,
      'charges on the invoice of somebody else',
    ],
    [`select count(*)::int as n from jobs where failed_at is not null`, 'jobs that failed for good'],
  ];
  const said: string[] = [];
  for (const [sql, what] of questions) {
    const n = (await client.query<{ n: number }>(sql)).rows[0]?.n ?? 0;
    if (n > 0) said.push(`${n} ${what}`);
  }
  return said;
}

async function totals(client: Client): Promise<Audit['totals']> {
  const { rows } = await client.query<Audit['totals']>(
    `select (select count(*)::int from charges) as charges, (select coalesce(sum(cents), 0)::float from charges) as cents,
       (select count(*)::int from plays) as plays, (select count(*)::int from jobs where kind = 'play') as queued,
       (select count(*)::int from users) as users`,
  );
  return rows[0]!;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      file: { type: 'string', multiple: true, default: [] },
      schema: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const files = [...(values.file ?? []), ...positionals];
  const connection = process.env['DATABASE_URL'];
  const schema = values.schema;
  if (schema !== undefined && schema !== 'v1' && schema !== 'v2') throw new Error(`--schema is v1 or v2, not ${JSON.stringify(schema)}`);
  if (values.help || files.length === 0 || !connection) {
    const usage = 'DATABASE_URL=postgres://… npx tsx examples/video/audit.ts acks.jsonl [more.jsonl] [--schema v1|v2]';
    const missing = files.length === 0 ? 'no file of acknowledgements given' : 'DATABASE_URL is not set: it names the production database';
    (values.help ? console.log : console.error)(values.help ? `usage: ${usage}` : `${missing}\nusage: ${usage}`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const result = await audit({ files, connection, ...(schema ? { schema } : {}) });
  console.log(JSON.stringify(result, null, 2));
  process.exitCode = isClean(result) ? 0 : 1;
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(2);
  });
}
