/** State that survives a restart: one JSON file per table, written before the change is answered. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A map of plain JSON objects kept in a file. Objects read from it may be changed, followed by `set`. */
export class Table<T extends object> {
  private readonly rows: Map<string, T>;

  constructor(private readonly file: string) {
    this.rows = new Map(existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8'), revive) as [string, T][]) : []);
  }

  get(key: string): T | undefined {
    return this.rows.get(key);
  }

  has(key: string): boolean {
    return this.rows.has(key);
  }

  set(key: string, row: T): T {
    this.rows.set(key, row);
    this.save();
    return row;
  }

  delete(key: string): void {
    if (this.rows.delete(key)) this.save();
  }

  values(): T[] {
    return [...this.rows.values()];
  }

  entries(): [string, T][] {
    return [...this.rows.entries()];
  }

  private save(): void {
    mkdirSync(dirname(this.file), { recursive: true });
    // written beside and renamed, so that a killed sandbox never leaves half a file.
    writeFileSync(`${this.file}.new`, JSON.stringify([...this.rows.entries()], dates));
    renameSync(`${this.file}.new`, this.file);
  }
}

export class State {
  private readonly tables = new Map<string, Table<object>>();

  constructor(private readonly folder: string) {}

  table<T extends object>(name: string): Table<T> {
    let table = this.tables.get(name);
    if (!table) {
      table = new Table<object>(join(this.folder, `${name}.json`));
      this.tables.set(name, table);
    }
    return table as Table<T>;
  }
}

// Dates are common in SDK shapes; JSON alone would bring them back as strings.
function dates(this: unknown, key: string, value: unknown): unknown {
  const raw = (this as Record<string, unknown>)[key];
  return raw instanceof Date ? { $date: raw.toISOString() } : value;
}

function revive(_key: string, value: unknown): unknown {
  if (value && typeof value === 'object' && '$date' in value) return new Date((value as { $date: string }).$date);
  return value;
}
