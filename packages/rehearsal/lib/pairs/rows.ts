/**
 * Writes rows by the catalog, as an application that nobody knows would: values of each column's type, references to rows that are there,
 * what checks allow where they list it. The same for the same seed. What the database refuses is left out.
 */
import { type Client, escapeLiteral } from 'pg';
import { Random } from '../soak/random';
import { type Column, quoted, readTables, type Table } from './catalog';

export interface Written {
  /** Statements that the database took, in their order. */
  readonly statements: readonly string[];
  /** Tables that took no row. */
  readonly without: readonly string[];
}

const tries = 6;

/** `rows` new rows for each table but those that it leaves alone; with `changes`, rows that are there are updated and deleted, too; `full`: nothing is NULL; `uuids`: columns whose text is one. */
export async function writeRows(
  client: Client,
  options: { seed: number; rows: number; changes?: boolean; leaves?: readonly string[]; full?: boolean; uuids?: RegExp },
): Promise<Written> {
  const writer = new Writer(client, options.seed, options.full ?? false, options.uuids);
  const tables = inOrder((await readTables(client)).filter(({ name }) => !options.leaves?.includes(name)));
  const without: string[] = [];
  for (const table of tables) {
    let taken = 0;
    for (let n = 0; n < options.rows; n += 1) {
      for (let attempt = 0; attempt < tries; attempt += 1) {
        if (!(await writer.takes(await writer.insert(table, attempt)))) continue;
        taken += 1;
        break;
      }
      if (taken === 0) break;
    }
    if (taken === 0) without.push(table.name);
  }
  if (options.changes) {
    for (const table of tables) await writer.change(table);
    for (const table of tables.toReversed()) await writer.remove(table);
  }
  return { statements: writer.statements, without };
}

/** Those that are referred to first. */
function inOrder(tables: readonly Table[]): Table[] {
  const byName = new Map(tables.map((table) => [table.name, table]));
  const done = new Set<Table>();
  const visit = (table: Table, path: ReadonlySet<Table>): void => {
    if (done.has(table) || path.has(table)) return;
    for (const { to } of table.references) {
      const other = byName.get(to);
      if (other) visit(other, new Set([...path, table]));
    }
    done.add(table);
  };
  for (const table of tables) visit(table, new Set());
  return [...done];
}

class Writer {
  readonly statements: string[] = [];
  private count: number;
  private readonly random: Random;

  constructor(
    private readonly client: Client,
    seed: number,
    private readonly full: boolean,
    private readonly uuids: RegExp | undefined,
  ) {
    this.random = new Random(`${seed}`);
    // values of two writers do not meet.
    this.count = seed * 10_000;
  }

  async takes(sql: string | undefined): Promise<boolean> {
    if (sql === undefined) return false;
    await this.client.query('SAVEPOINT row').catch(async () => {
      await this.client.query('BEGIN; SAVEPOINT row');
    });
    try {
      const { rowCount } = await this.client.query(sql);
      await this.client.query('SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; COMMIT');
      if (rowCount === 0) return false;
      this.statements.push(sql);
      return true;
    } catch {
      await this.client.query('ROLLBACK');
      return false;
    }
  }

  /** Each attempt does without more: of what may be NULL, of what has a default. */
  async insert(table: Table, attempt: number): Promise<string | undefined> {
    const values = new Map<string, string>();
    for (const { columns, to, of } of table.references) {
      const [row] = await this.someOf(to, of);
      if (row) for (const [at, name] of columns.entries()) values.set(name, row[at]!);
      else if (!columns.some((name) => table.columns.find((one) => one.name === name)?.notNull))
        for (const name of columns) values.set(name, 'NULL');
    }
    for (const column of table.columns) {
      if (column.generated || values.has(column.name)) continue;
      if (column.hasDefault && (attempt > 1 || (!column.volatile && this.random.chance(0.5)))) continue;
      if (!column.notNull && (attempt > 3 || (!this.full && this.random.chance(0.15)))) continue;
      const value = this.value(table, column);
      if (value === undefined && column.notNull && !column.hasDefault) return undefined;
      if (value !== undefined) values.set(column.name, value);
    }
    const names = [...values.keys()];
    return names.length === 0
      ? `INSERT INTO ${table.name} DEFAULT VALUES`
      : `INSERT INTO ${table.name} (${names.map(quoted).join(', ')}) VALUES (${[...values.values()].join(', ')})`;
  }

  /** Two rows that are there get other values in a column each. */
  async change(table: Table): Promise<void> {
    const bound = new Set([...table.key, ...table.references.flatMap(({ columns }) => columns)]);
    const free = table.columns.filter(({ name, generated }) => !generated && !bound.has(name));
    if (table.key.length === 0 || free.length === 0) return;
    for (const row of await this.someOf(table.name, table.key, 2)) {
      const column = this.random.pick(free);
      const value = this.value(table, column);
      if (value !== undefined)
        await this.takes(`UPDATE ${table.name} SET ${quoted(column.name)} = ${value} WHERE ${this.where(table, row)}`);
    }
  }

  async remove(table: Table): Promise<void> {
    if (table.key.length === 0) return;
    const [row] = await this.someOf(table.name, table.key);
    if (row) await this.takes(`DELETE FROM ${table.name} WHERE ${this.where(table, row)}`);
  }

  private where = ({ key }: Table, row: readonly string[]): string => key.map((name, at) => `${quoted(name)} = ${row[at]}`).join(' AND ');

  /** Literals of these columns, of rows that are there. */
  private async someOf(table: string, columns: readonly string[], rows = 1): Promise<string[][]> {
    const list = columns.map((name) => `${quoted(name)}::text`).join(', ');
    const { rows: found } = await this.client.query<string[]>({
      text: `SELECT ${list} FROM ${table} WHERE ${columns.map((name) => `${quoted(name)} IS NOT NULL`).join(' AND ')} ORDER BY ${list}`,
      rowMode: 'array',
    });
    return Array.from({ length: Math.min(rows, found.length) }, () =>
      found.splice(Math.floor(this.random.next() * found.length), 1)[0]!.map((value) => escapeLiteral(value)),
    );
  }

  private value(table: Table, column: Column): string | undefined {
    const listed = table.checks.find((text) => text.includes(column.name) && /ARRAY\[/.test(text));
    const allowed = listed ? [...listed.matchAll(/'([^']*)'::/g)].map(([, text]) => text!) : [];
    if (allowed.length > 0) return escapeLiteral(this.random.pick(allowed));
    const one = this.element(this.uuids?.test(column.name) && !column.array ? { ...column, base: 'uuid' } : column);
    if (one === undefined || !column.array) return one;
    return `ARRAY[${one}]::${column.type}`;
  }

  private element({ base, type, labels }: Column): string | undefined {
    this.count += 1;
    const n = this.count;
    if (labels) return escapeLiteral(this.random.pick(labels));
    const length = Number(/\((\d+)\)/.exec(type)?.[1] ?? 40);
    const text = `${['Zoë', "o'h", 'a b', '100%', 'x\\y'][n % 5]} ${n.toString(36)}`;
    const at = new Date(Date.UTC(2026, 0, 1) + (n % 300) * 86_400_000 + Math.floor(this.random.next() * 86_400_000)).toISOString();
    switch (base) {
      case 'text':
      case 'character varying':
      case 'citext':
      case 'character':
        return escapeLiteral(length < text.length ? n.toString(36).slice(-length) : text);
      case 'smallint':
        return `${n % 30_000}`;
      case 'integer':
      case 'bigint':
        return `${n}`;
      case 'numeric':
      case 'double precision':
      case 'real':
        return `${(n % 90) + 0.5}`;
      case 'boolean':
        return this.random.chance(0.5) ? 'true' : 'false';
      case 'date':
        return `'${at.slice(0, 10)}'`;
      case 'timestamp without time zone':
      case 'timestamp with time zone':
        return `'${at}'`;
      case 'time without time zone':
      case 'time with time zone':
        return `'${at.slice(11, 19)}'`;
      case 'interval':
        return `'${n % 50} hours'`;
      case 'uuid':
        return `'00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}'`;
      case 'json':
      case 'jsonb':
        return escapeLiteral(JSON.stringify({ n, text, none: null, list: [1, 'two'] }));
      case 'bytea':
        return `'\\x${n.toString(16).padStart(8, '0')}'`;
      case 'inet':
      case 'cidr':
        return `'10.${n % 200}.${(n >> 8) % 200}.1'`;
      case 'tsvector':
        return `'word ${n.toString(36)}'::tsvector`;
      case 'hstore':
        return `'"n"=>"${n}"'`;
      default:
        return undefined;
    }
  }
}
