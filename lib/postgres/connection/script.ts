/** SQL files, run as psql would run them: one session, statement by statement, with the rows that follow a COPY. */
import { Client } from 'pg';
import { type Address, DatabaseError, type Login } from './connect';

export interface ScriptStatement {
  /** The line of the file at which it begins, from 1. */
  readonly line: number;
  readonly sql: string;
  /** Rows for `COPY … FROM stdin`, as they stand in the file. */
  readonly rows?: string;
}

/** What of psql's own a dump has in it and that changes nothing for us. */
const harmless = /^\\(restrict|unrestrict|echo|set|unset|pset|timing|encoding)\b/;

/** @throws Error for a line that only psql understands */
export function statementsOf(text: string): ScriptStatement[] {
  const found: ScriptStatement[] = [];
  let [at, begin, depth, atomic] = [0, 0, 0, 0];
  const lineOf = (place: number): number => text.slice(0, place).split('\n').length;
  const take = (end: number): void => {
    const sql = text.slice(begin, end).trim();
    const start = begin + text.slice(begin, end).search(/\S/);
    [begin, depth, atomic] = [end + 1, 0, 0];
    if (withoutComments(sql) === '') return;
    if (!/^copy\b[\s\S]*\bfrom\s+stdin\b/i.test(withoutComments(sql))) {
      found.push({ line: lineOf(start), sql });
      return;
    }
    const first = text.indexOf('\n', end) + 1;
    const last = /^\\\.\s*$/m.exec(text.slice(first));
    const rows = text.slice(first, last ? first + last.index : text.length);
    found.push({ line: lineOf(start), sql, rows });
    begin = last ? first + last.index + last[0].length : text.length;
    at = begin - 1;
  };
  for (; at < text.length; at += 1) {
    const rest = text.slice(at, at + 2);
    const lineBegins = at === 0 || text[at - 1] === '\n';
    if (rest === '--') at = endOf(text, '\n', at) - 1;
    else if (rest === '/*') at = endOfComment(text, at) - 1;
    else if (text[at] === "'") at = endOfString(text, at) - 1;
    else if (text[at] === '"') at = endOf(text, '"', at + 1);
    else if (text[at] === '$') at = endOfDollar(text, at) - 1;
    else if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    else if (lineBegins && text[at] === '\\' && withoutComments(text.slice(begin, at)).trim() === '') {
      const end = endOf(text, '\n', at);
      const line = text.slice(at, end).trim();
      if (!harmless.test(line)) throw new Error(`line ${lineOf(at)}: only psql understands ${line}`);
      begin = end;
      at = end - 1;
    } else if (text[at] === ';' && depth === 0 && atomic === 0) take(at);
    else if (/[a-z]/i.test(text[at]!) && !/[\w$]/.test(text[at - 1] ?? ' ')) {
      const word = /^\w+/.exec(text.slice(at, at + 64))?.[0] ?? '';
      // the body of a function in standard SQL has semicolons of its own.
      if (/^begin$/i.test(word) && /^begin\s+atomic\b/i.test(text.slice(at, at + 64))) atomic += 1;
      else if (atomic > 0 && /^case$/i.test(word)) atomic += 1;
      else if (atomic > 0 && /^end$/i.test(word)) atomic -= 1;
      at += word.length - 1;
    }
  }
  take(text.length);
  return found;
}

const withoutComments = (sql: string): string =>
  sql
    .replace(/--.*$/gm, '')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .trim();

function endOf(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found < 0 ? text.length : found;
}

function endOfComment(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const two = text.slice(at, at + 2);
    if (two === '/*') depth += 1;
    if (two === '*/') depth -= 1;
    if (two === '/*' || two === '*/') at += 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

/** A backslash escapes only in E'…'. */
function endOfString(text: string, from: number): number {
  const escapes = /e/i.test(text[from - 1] ?? '') && !/[\w$]/.test(text[from - 2] ?? ' ');
  for (let at = from + 1; at < text.length; at += 1) {
    if (escapes && text[at] === '\\') at += 1;
    else if (text[at] === "'" && text[at + 1] === "'") at += 1;
    else if (text[at] === "'") return at + 1;
  }
  return text.length;
}

function endOfDollar(text: string, from: number): number {
  const tag = /^\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(text.slice(from, from + 70))?.[0];
  if (tag === undefined || /[\w$]/.test(text[from - 1] ?? ' ')) return from + 1;
  return endOf(text, tag, from + tag.length) + tag.length;
}

/** What pg asks of a query that it does not know: the rows of a COPY go out when the server wants them. */
class CopyIn {
  readonly done: Promise<void>;
  private resolve!: () => void;
  private reject!: (error: Error) => void;

  constructor(
    private readonly sql: string,
    private readonly rows: string,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  submit(connection: { query(sql: string): void }): void {
    connection.query(this.sql);
  }

  handleCopyInResponse(connection: { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }): void {
    if (this.rows !== '') connection.sendCopyFromChunk(Buffer.from(this.rows));
    connection.endCopyFrom();
  }

  /** pg forgets a query with its error: that it is ready again is not told. */
  handleError(error: Error): void {
    this.reject(error);
  }

  handleReadyForQuery(): void {
    this.resolve();
  }

  handleCommandComplete(): void {
    // only the end counts.
  }
}

/**
 * Runs them in one session, with the settings that the server gives its users.
 * @throws DatabaseError with the line of the statement that failed
 */
export async function runScript(
  address: Address,
  login: Login,
  statements: readonly ScriptStatement[],
  application: string,
): Promise<void> {
  const client = new Client({ ...address, user: login.username, password: login.password, application_name: application });
  // a server that goes away is reported by the statement that waits.
  client.on('error', () => undefined);
  await client.connect();
  try {
    for (const { line, sql, rows } of statements) {
      try {
        if (rows === undefined) await client.query(sql);
        else {
          const copy = new CopyIn(sql, rows);
          client.query(copy as never);
          await copy.done;
        }
      } catch (error) {
        const { message, code } = error as Error & { code?: string };
        const words = sql.replace(/\s+/g, ' ');
        throw new DatabaseError(`line ${line}: ${message} (${words.length > 120 ? `${words.slice(0, 117)}...` : words})`, code);
      }
    }
  } finally {
    await client.end().catch(() => undefined);
  }
}
