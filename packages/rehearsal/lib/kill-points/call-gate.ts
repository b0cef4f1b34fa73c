/** What a run does to the world, call by call, and which of it changes something. */
import { createHash } from 'node:crypto';
import type { Client } from 'pg';

export interface Call {
  readonly changes: boolean;
  /** `ecs UpdateService video-…-clock`, `sql 5433 REVOKE …`, `journal step.done`. */
  readonly name: string;
  /** The name without its object: what a table of calls would list. */
  readonly kind: string;
  /** The event, where the call writes one. */
  readonly event?: { readonly type: string; readonly step?: string };
}

const reads = /^(Describe|List|Get|Head|Filter)/;

export function awsCall(command: string, input: object): Call {
  const operation = command.replace(/Command$/, '');
  const given = input as Record<string, unknown>;
  if (operation === 'PutObject') {
    const event = JSON.parse(String(given['Body'])) as { type: string; step?: string };
    return { changes: true, name: `journal ${event.type}`, kind: 'journal', event };
  }
  return { changes: !reads.test(operation), name: `${operation}${objectOf(given)}`, kind: operation };
}

/** Which of several things of one kind a call is about, without what differs from deploy to deploy. */
function objectOf(input: Record<string, unknown>): string {
  const named = ['service', 'ResourceId', 'SecretId', 'DBInstanceIdentifier', 'DBSnapshotIdentifier', 'Name', 'StackName', 'clientToken'];
  const value = named.map((name) => input[name]).find((found) => typeof found === 'string');
  return value === undefined ? '' : ` ${plain(String(value).split(/[:/]/).at(-1) ?? '')}`;
}

const plain = (text: string): string =>
  text
    .replace(/-[A-Za-z]*[0-9A-F]{8}-?[A-Za-z0-9]*/g, '')
    .replace(/-[A-Z0-9]{12,}$/, '')
    .replace(/(\b|_)w\d+\b/g, '$1w');

/** Functions that change something although a SELECT calls them. */
const changing =
  /\b(pg_create_logical_replication_slot|pg_drop_replication_slot|pg_replication_slot_advance|pg_replication_origin_\w+|pg_terminate_backend|setval|pg_logical_emit_message)\s*\(/i;

const noChange = /^\s*(begin|start|set|reset|rollback|savepoint|release|declare|close|discard|identify_system|timeline_history)\b/i;

/** @param unfinished what its transaction has changed last, if anything: COMMIT is what makes that so */
export function sqlCall(connection: Client, text: string, values: unknown, unfinished: string | undefined): Call {
  // the look at who holds the database goes along with every change; asking for a right is not using it.
  const asked = text
    .replace(/DO \$switchback\$.*?\$switchback\$;?/gs, '')
    .replace(/has_function_privilege\('[^']*'/gi, '')
    .replace(/'(?:[^']|'')*'/g, "'…'")
    // what is set for the rest of the message changes nothing; what follows does.
    .replace(/^\s*(SET LOCAL [^;]*;\s*)+(?=\S)/i, '');
  const which = connection.port === undefined ? '' : ` ${instances.get(connection.port) ?? 'copy'}`;
  if (/^\s*commit\b/i.test(asked))
    return { changes: unfinished !== undefined, name: `sql${which} COMMIT of ${unfinished ?? 'nothing'}`, kind: 'sql COMMIT' };
  const changes =
    asked.trim() === ''
      ? false
      : /^\s*(select|show|explain|fetch|values|with|table)\b/i.test(asked)
        ? changing.test(asked) || /^\s*with\b.*\b(insert|update|delete)\b/is.test(asked)
        : !noChange.test(asked);
  const whole = plain(asked.replace(/\s+/g, ' ').trim());
  const short = whole.length <= 100 ? whole : `${whole.slice(0, 90)}…${createHash('sha256').update(whole).digest('hex').slice(0, 6)}`;
  const [first] = Array.isArray(values) ? (values as unknown[]) : [];
  const about = typeof first === 'string' && first.length < 40 && !/^[0-9a-f]{16}$/.test(first) ? ` (${plain(first)})` : '';
  return { changes, name: `sql${which} ${short}${about}`, kind: `sql ${kindOf(whole)}` };
}

/** `GRANT`, `ALTER SUBSCRIPTION`, `SELECT setval`. */
function kindOf(statement: string): string {
  const called = changing.exec(statement)?.[1];
  if (called) return `SELECT ${called}`;
  const words = statement.replace(/\b(OR REPLACE|IF (NOT )?EXISTS)\b/gi, '').split(/\s+/);
  return (/^(create|alter|drop)$/i.test(words[0] ?? '') ? words.slice(0, 2) : words.slice(0, 1)).join(' ').toUpperCase();
}

/** Instances by the port they are reached at; named by whoever knows. */
export const instances = new Map<number, string>();
