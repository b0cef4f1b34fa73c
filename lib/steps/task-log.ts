/** The log of a migration task, and what of it a tired reader needs when the task has failed: the error first, then the last lines. */
import type { OneOff } from '../aws/tasks';
import { type Context, colorPart } from '../engine/context';
import type { Color } from '../manifest/schema';

/** An error is told within these, however long a tool goes on after it. */
const kept = 200;
const shown = 8;

/** `ERROR: …`, `PSQLException: …`, `psycopg2.errors.NotNullViolation: …`; not `0 errors`. */
const isError = (line: string): boolean =>
  /\b\w*(?:error|exception|fatal|panic)s?\b/i.test(line.replace(/\b(?:0|no|without) (?:error|exception)s?\b/gi, ''));

export function streamOf(context: Context, color: Color, task: Pick<OneOff, 'id'>): [group: string, stream: string] {
  const { migration } = colorPart(context.manifest, color);
  return [migration.logGroup, `${migration.logStreamPrefix}/${migration.container}/${task.id}`];
}

/** The last 200 lines: what a migration tool says of each migration, with the time it took where it tells. */
export async function logOf(context: Context, color: Color, task: OneOff): Promise<string[]> {
  const lines: string[] = [];
  for (let token: string | undefined; ; ) {
    const page = await context.aws.logs.lines(...streamOf(context, color, task), token);
    lines.push(...page.lines);
    if (page.lines.length === 0 || page.token === undefined || page.token === token) return lines.slice(-kept);
    token = page.token;
  }
}

export interface Failure {
  /** `ended with exit code 1: ERROR: column "amount" contains null values` */
  readonly what: string;
  /** The last lines as they were printed, without that one. */
  readonly lines: readonly string[];
}

export function failureOf({ exitCode, reason }: OneOff, log: readonly string[]): Failure {
  const lines = log.flatMap((entry) => entry.split(/\r?\n/)).filter((line) => line.trim() !== '');
  const found = lines.findIndex(isError);
  const at = found < 0 ? lines.length - 1 : found;
  const how = exitCode === undefined ? 'no exit code' : `exit code ${exitCode}`;
  return {
    what: `ended with ${how}${reason ? ` (${reason})` : ''}: ${lines[at]?.trim() ?? 'it printed nothing'}`,
    lines: lines
      .map((line, index) => ({ line, index }))
      .slice(-shown)
      .flatMap(({ line, index }) => (index === at ? [] : [line])),
  };
}

/** Lines stay lines, set in from the sentence that they belong to. */
export const failureText = ({ what, lines }: Failure): string =>
  [what, ...(lines.length > 0 ? ['the last lines of its log:', ...lines.map((line) => `  ${line}`)] : [])].join('\n');
