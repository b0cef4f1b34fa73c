/** Customers: writers that write down what was acknowledged to them, and an audit that compares it with rows. Shares nothing with lib/. */
import { Client, type ClientConfig } from 'pg';

export interface Load {
  /** Ids whose COMMIT was acknowledged. */
  readonly acknowledged: Set<string>;
  /** Ids whose COMMIT got no answer: they may be there or not. */
  readonly unknown: Set<string>;
  readonly errors: string[];
  /** When writes were acknowledged, in milliseconds. */
  readonly times: number[];
  /** Ends the writers; what was sent is finished. */
  stop(): Promise<void>;
}

export const loadTables = `
  CREATE TABLE orders (id text PRIMARY KEY, n int NOT NULL, touched int NOT NULL DEFAULT 0);
  CREATE TABLE totals (worker int PRIMARY KEY, n bigint NOT NULL);
  CREATE TABLE log (id text NOT NULL);
  ALTER TABLE log REPLICA IDENTITY FULL;
  INSERT INTO totals SELECT i, 0 FROM generate_series(0, 63) i;`;

/** One transaction of the first release, between BEGIN and COMMIT. `log` has no key, so that a row applied twice is seen. */
export async function firstRelease(client: Client, worker: number, n: number, id: string): Promise<void> {
  await client.query('INSERT INTO orders (id, n) VALUES ($1, $2)', [id, n]);
  await client.query('UPDATE totals SET n = n + 1 WHERE worker = $1', [worker]);
  await client.query('INSERT INTO log VALUES ($1)', [id]);
  if (n % 5 === 0) await client.query('UPDATE orders SET touched = touched + 1 WHERE id = $1', [`${id.split('-')[0]}-${n - 1}`]);
}

export interface LoadOptions {
  readonly writers?: number;
  /** Ids begin with it. */
  readonly name?: string;
  readonly pauseMs?: number;
  readonly transaction?: typeof firstRelease;
}

export async function startLoad(
  where: () => ClientConfig,
  { writers = 4, name = 'w', pauseMs = 2, transaction = firstRelease }: LoadOptions = {},
): Promise<Load> {
  const load = { acknowledged: new Set<string>(), unknown: new Set<string>(), errors: [] as string[], times: [] as number[] };
  let running = true;
  const write = async (worker: number): Promise<void> => {
    let client: Client | undefined;
    for (let n = 1; running; n += 1) {
      const id = `${name}${worker}-${n}`;
      let committing = false;
      try {
        if (!client) {
          client = new Client(where());
          client.on('error', () => undefined);
          await client.connect();
        }
        await client.query('BEGIN');
        await transaction(client, worker, n, id);
        committing = true;
        await client.query('COMMIT');
        load.acknowledged.add(id);
        load.times.push(performance.now());
      } catch (error) {
        if (committing) load.unknown.add(id);
        load.errors.push((error as Error).message);
        // As a pool does it: a refused statement keeps its connection, unless the database has moved.
        const refused =
          (error as { code?: string }).code === '42501' &&
          client?.port === where().port &&
          (await client?.query('ROLLBACK').then(
            () => true,
            () => false,
          ));
        if (!refused) {
          await client?.end().catch(() => undefined);
          client = undefined;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    await client?.end();
  };
  const all = Array.from({ length: writers }, (_, index) => write(index));
  return {
    ...load,
    stop: async () => {
      running = false;
      await Promise.all(all);
    },
  };
}

/** Compares acknowledgements with rows. */
export async function audit(
  at: ClientConfig,
  ...loads: Load[]
): Promise<{ missing: string[]; duplicated: string[]; unknown: number; rows: number }> {
  const client = new Client(at);
  await client.connect();
  const { rows } = await client.query<{ id: string; times: number; in_orders: boolean }>(
    'SELECT l.id, count(*)::int AS times, bool_and(o.id IS NOT NULL) AS in_orders FROM log l LEFT JOIN orders o ON o.id = l.id GROUP BY l.id',
  );
  await client.end();
  const found = new Map(rows.map((row) => [row.id, row]));
  const sent = (id: string): boolean => loads.some((load) => load.acknowledged.has(id) || load.unknown.has(id));
  return {
    missing: loads.flatMap((load) => [...load.acknowledged]).filter((id) => !found.get(id)?.in_orders),
    duplicated: rows.filter((row) => row.times > 1).map((row) => row.id),
    unknown: rows.filter((row) => !sent(row.id)).length,
    rows: rows.length,
  };
}
