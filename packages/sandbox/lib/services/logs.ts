/**
 * CloudWatch Logs: groups, streams and events, each stream an append-only file of JSON lines. Events are answered in
 * the order in which they arrived, so that a reader who follows a forward token misses none.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type {
  CreateLogGroupRequest,
  CreateLogStreamRequest,
  DescribeLogGroupsRequest,
  DescribeLogStreamsRequest,
  FilterLogEventsRequest,
  GetLogEventsRequest,
  InputLogEvent,
  PutLogEventsRequest,
  PutRetentionPolicyRequest,
} from '@aws-sdk/client-cloudwatch-logs';
import { AwsError, type Sandbox, type Service } from '../service';

interface Group {
  logGroupName: string;
  creationTime: number;
  retentionInDays?: number;
  tags: Record<string, string>;
}

interface Stream {
  group: string;
  logStreamName: string;
  creationTime: number;
}

interface LogEvent {
  timestamp: number;
  ingestionTime: number;
  message: string;
}

const retentions = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

export const logs = (sandbox: Sandbox): Service => {
  const groups = sandbox.table<Group>('logs.groups');
  const streams = sandbox.table<Stream>('logs.streams');
  const events = new EventFiles(join(sandbox.folder, 'logs'));

  const groupArn = (name: string) => sandbox.arn('logs', `log-group:${name}`);
  const groupOf = (input: { logGroupName?: string; logGroupIdentifier?: string }): Group => {
    const name = groupName(input);
    const group = groups.get(name);
    if (!group) throw notFound('The specified log group does not exist.');
    return group;
  };
  const streamsOf = (group: Group) => streams.values().filter((stream) => stream.group === group.logGroupName);
  const streamOf = (group: Group, name: string | undefined): Stream => {
    const stream = streams.get(streamKey(group.logGroupName, required(name, 'logStreamName')));
    if (!stream) throw notFound('The specified log stream does not exist.');
    return stream;
  };

  return {
    client: 'client-cloudwatch-logs',
    handlers: {
      CreateLogGroup(input: CreateLogGroupRequest) {
        const name = matching(input.logGroupName, 'logGroupName', /^[.\-_/#A-Za-z0-9]{1,512}$/);
        if (groups.has(name)) throw exists('The specified log group already exists');
        groups.set(name, { logGroupName: name, creationTime: Date.now(), tags: input.tags ?? {} });
        return {};
      },

      DeleteLogGroup(input: { logGroupName?: string }) {
        const group = groupOf(input);
        for (const stream of streamsOf(group)) {
          streams.delete(streamKey(stream.group, stream.logStreamName));
          events.remove(stream);
        }
        groups.delete(group.logGroupName);
        return {};
      },

      DescribeLogGroups(input: DescribeLogGroupsRequest) {
        const found = groups
          .values()
          .filter((group) => group.logGroupName.startsWith(input.logGroupNamePrefix ?? ''))
          .filter((group) => group.logGroupName.includes(input.logGroupNamePattern ?? ''))
          .sort(byName((group) => group.logGroupName));
        const { page, nextToken } = pageOf(found, input.nextToken, input.limit ?? 50);
        return {
          nextToken,
          logGroups: page.map(({ tags: _tags, ...group }) => ({
            ...group,
            arn: `${groupArn(group.logGroupName)}:*`,
            logGroupArn: groupArn(group.logGroupName),
            metricFilterCount: 0,
            logGroupClass: 'STANDARD',
            storedBytes: 0,
          })),
        };
      },

      PutRetentionPolicy(input: PutRetentionPolicyRequest) {
        const group = groupOf(input);
        if (!retentions.includes(input.retentionInDays ?? 0)) {
          throw invalid(`retentionInDays must be one of ${retentions.join(', ')}; it is ${input.retentionInDays}`);
        }
        groups.set(group.logGroupName, { ...group, retentionInDays: input.retentionInDays });
        return {};
      },

      DeleteRetentionPolicy(input: { logGroupName?: string }) {
        const { retentionInDays: _, ...group } = groupOf(input);
        groups.set(group.logGroupName, group);
        return {};
      },

      CreateLogStream(input: CreateLogStreamRequest) {
        const group = groupOf(input);
        const name = matching(input.logStreamName, 'logStreamName', /^[^:*]{1,512}$/);
        const key = streamKey(group.logGroupName, name);
        if (streams.has(key)) throw exists('The specified log stream already exists');
        streams.set(key, { group: group.logGroupName, logStreamName: name, creationTime: Date.now() });
        return {};
      },

      DeleteLogStream(input: { logGroupName?: string; logStreamName?: string }) {
        const stream = streamOf(groupOf(input), input.logStreamName);
        streams.delete(streamKey(stream.group, stream.logStreamName));
        events.remove(stream);
        return {};
      },

      DescribeLogStreams(input: DescribeLogStreamsRequest) {
        const group = groupOf(input);
        const found = streamsOf(group)
          .filter((stream) => stream.logStreamName.startsWith(input.logStreamNamePrefix ?? ''))
          .map((stream) => ({ ...stream, ...timesOf(events.read(stream)) }));
        if (input.orderBy === 'LastEventTime') {
          if (input.logStreamNamePrefix) throw invalid('Cannot order by LastEventTime with a logStreamNamePrefix.');
          found.sort((a, b) => (a.lastEventTimestamp ?? 0) - (b.lastEventTimestamp ?? 0));
        } else found.sort(byName((stream) => stream.logStreamName));
        if (input.descending) found.reverse();
        const { page, nextToken } = pageOf(found, input.nextToken, input.limit ?? 50);
        return {
          nextToken,
          logStreams: page.map(({ group: name, ...stream }) => ({
            ...stream,
            arn: `${groupArn(name)}:log-stream:${stream.logStreamName}`,
            storedBytes: 0,
          })),
        };
      },

      PutLogEvents(input: PutLogEventsRequest) {
        const stream = streamOf(groupOf(input), input.logStreamName);
        const added = input.logEvents ?? [];
        if (added.length === 0) throw invalid('logEvents must have at least 1 event');
        const ordered = added.every((event, at) => at === 0 || time(added[at - 1]) <= time(event));
        if (!ordered) throw invalid('Log events in a single PutLogEvents request must be in chronological order.');
        const ingestionTime = Date.now();
        events.append(
          stream,
          added.map((event) => ({ timestamp: time(event), ingestionTime, message: event.message ?? '' })),
        );
        return { nextSequenceToken: sandbox.id(56) };
      },

      /** Tokens hold a position in the stream; at the end the same token comes back, which tells a reader to stop. */
      GetLogEvents(input: GetLogEventsRequest) {
        const all = events.read(streamOf(groupOf(input), input.logStreamName));
        const limit = input.limit ?? 10_000;
        const token = input.nextToken ? positionOf(input.nextToken) : undefined;
        let from: number;
        let to: number;
        if (token?.forward || (!token && input.startFromHead)) {
          from = token?.position ?? 0;
          to = Math.min(all.length, from + limit);
        } else {
          to = Math.min(all.length, token?.position ?? all.length);
          from = Math.max(0, to - limit);
        }
        return {
          events: all.slice(from, to).filter((event) => within(event, input)),
          nextForwardToken: `f/${String(to).padStart(56, '0')}`,
          nextBackwardToken: `b/${String(from).padStart(56, '0')}`,
        };
      },

      FilterLogEvents(input: FilterLogEventsRequest) {
        const group = groupOf(input);
        const matches = filterOf(input.filterPattern);
        const wanted = streamsOf(group)
          .filter((stream) => !input.logStreamNames?.length || input.logStreamNames.includes(stream.logStreamName))
          .filter((stream) => stream.logStreamName.startsWith(input.logStreamNamePrefix ?? ''));
        const found = wanted
          .flatMap((stream) =>
            events.read(stream).map((event, at) => ({
              logStreamName: stream.logStreamName,
              ...event,
              eventId: createHash('sha256').update(`${stream.group} ${stream.logStreamName} ${at}`).digest('hex').slice(0, 56),
            })),
          )
          .filter((event) => within(event, input) && matches(event.message))
          .sort((a, b) => a.timestamp - b.timestamp);
        const { page, nextToken } = pageOf(found, input.nextToken, input.limit ?? 10_000);
        return { events: page, nextToken, searchedLogStreams: [] };
      },

      ListTagsForResource(input: { resourceArn?: string }) {
        return { tags: groupOf({ logGroupIdentifier: input.resourceArn }).tags };
      },

      TagResource(input: { resourceArn?: string; tags?: Record<string, string> }) {
        const group = groupOf({ logGroupIdentifier: input.resourceArn });
        groups.set(group.logGroupName, { ...group, tags: { ...group.tags, ...input.tags } });
        return {};
      },
    },
  };
};

/** Writes lines to one stream, in order. */
export interface LogWriter {
  /** Takes text as it comes out of a pipe, in pieces of any size, and writes its full lines. */
  text(piece: string): void;
  line(message: string): void;
  /** Writes what is left of an unfinished line; resolves when everything is in the stream. */
  close(): Promise<void>;
}

/**
 * What ECS and Lambda write their processes' output with. The stream is made at once, and the group too unless it
 * exists (Lambda does so; on ECS it is `awslogs-create-group`). A refused write is noted in the sandbox's log: output
 * of a task must not stop it.
 */
export function openLog(sandbox: Sandbox, logGroupName: string, logStreamName: string, options = { createGroup: true }): LogWriter {
  let waiting: InputLogEvent[] = [];
  let rest = '';
  const ifMissing = async (operation: string, input: object) => {
    await sandbox.call('logs', operation, input).catch((error: Error) => {
      if (error.name !== 'ResourceAlreadyExistsException') throw error;
    });
  };
  const guarded = async (work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      sandbox.log(`logs: cannot write to ${logGroupName} ${logStreamName}: ${(error as Error).message}`);
    }
  };
  let writing = guarded(async () => {
    if (options.createGroup) await ifMissing('CreateLogGroup', { logGroupName });
    await ifMissing('CreateLogStream', { logGroupName, logStreamName });
  });
  const line = (message: string) => {
    waiting.push({ timestamp: Date.now(), message });
    // lines that arrive while a write is under way go out together with the next one.
    if (waiting.length > 1) return;
    writing = writing.then(() =>
      guarded(async () => {
        const logEvents = waiting;
        waiting = [];
        await sandbox.call('logs', 'PutLogEvents', { logGroupName, logStreamName, logEvents });
      }),
    );
  };
  return {
    line,
    text(piece) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const each of lines) line(each.replace(/\r$/, ''));
    },
    close() {
      if (rest) line(rest);
      rest = '';
      return writing;
    },
  };
}

/** One file of JSON lines per stream. */
class EventFiles {
  /** Files this process has written to, and whose last line is therefore whole. */
  private readonly whole = new Set<string>();

  constructor(private readonly folder: string) {}

  append(stream: Stream, added: LogEvent[]): void {
    const file = this.file(stream);
    if (!this.whole.has(file)) {
      mkdirSync(dirname(file), { recursive: true });
      if (existsSync(file) && !readFileSync(file, 'utf8').endsWith('\n')) appendFileSync(file, '\n');
      this.whole.add(file);
    }
    appendFileSync(file, added.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  read(stream: Stream): LogEvent[] {
    const file = this.file(stream);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').flatMap(eventOf) : [];
  }

  remove(stream: Stream): void {
    this.whole.delete(this.file(stream));
    rmSync(this.file(stream), { force: true });
  }

  private file(stream: Stream): string {
    return join(this.folder, fileName(stream.group), `${fileName(stream.logStreamName)}.jsonl`);
  }
}

// a sandbox killed in the middle of a write leaves half a line, which was never answered as written.
function eventOf(line: string): LogEvent[] {
  try {
    return [JSON.parse(line) as LogEvent];
  } catch {
    return [];
  }
}

/** Names may have slashes and be longer than a file's may; the hash keeps them apart. */
const fileName = (name: string) =>
  `${name.replace(/[^\w.-]+/g, '_').slice(-80)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;

function timesOf(events: LogEvent[]) {
  return {
    firstEventTimestamp: events[0]?.timestamp,
    lastEventTimestamp: events.at(-1)?.timestamp,
    lastIngestionTime: events.at(-1)?.ingestionTime,
  };
}

const streamKey = (group: string, stream: string) => `${group} ${stream}`;
const time = (event: InputLogEvent | undefined) => event?.timestamp ?? 0;
const byName =
  <T>(name: (item: T) => string) =>
  (a: T, b: T) =>
    name(a) < name(b) ? -1 : 1;

/** A group is named, or identified by name or ARN (with or without `:*`). */
function groupName(input: { logGroupName?: string; logGroupIdentifier?: string }): string {
  const given = required(input.logGroupName ?? input.logGroupIdentifier, 'logGroupName');
  return given.startsWith('arn:') ? given.split(':').slice(6, 7).join('') : given;
}

const within = (event: LogEvent, range: { startTime?: number; endTime?: number }) =>
  event.timestamp >= (range.startTime ?? 0) && event.timestamp < (range.endTime ?? Number.POSITIVE_INFINITY);

function positionOf(token: string): { forward: boolean; position: number } {
  const match = /^([fb])\/(\d{1,56})$/.exec(token);
  if (!match) throw invalid(`The specified nextToken is invalid: ${token}`);
  return { forward: match[1] === 'f', position: Number(match[2]) };
}

/** Words that must all occur, "phrases in quotes", ?any ?of ?these, -without. */
function filterOf(pattern: string | undefined): (message: string) => boolean {
  if (!pattern?.trim()) return () => true;
  if (/^\s*[{[]/.test(pattern)) throw invalid(`The sandbox does not serve JSON or column filter patterns: ${pattern}`);
  const terms = [...pattern.matchAll(/([?-]?)(?:"([^"]*)"|(\S+))/g)].map((match) => ({ sign: match[1], text: match[2] ?? match[3] ?? '' }));
  const any = terms.filter((term) => term.sign === '?');
  return (message) =>
    terms.every((term) => term.sign === '?' || message.includes(term.text) === (term.sign !== '-')) &&
    (any.length === 0 || any.some((term) => message.includes(term.text)));
}

function pageOf<T>(all: T[], token: string | undefined, limit: number): { page: T[]; nextToken: string | undefined } {
  const from = Number(token ?? 0);
  if (!Number.isInteger(from) || from < 0) throw invalid(`The specified nextToken is invalid: ${token}`);
  const to = from + limit;
  return { page: all.slice(from, to), nextToken: to < all.length ? String(to) : undefined };
}

function required(value: string | undefined, name: string): string {
  if (!value) throw invalid(`1 validation error detected: Value null at '${name}' failed to satisfy constraint: Member must not be null`);
  return value;
}

function matching(value: string | undefined, name: string, pattern: RegExp): string {
  const given = required(value, name);
  if (!pattern.test(given)) {
    throw invalid(
      `1 validation error detected: Value '${given}' at '${name}' failed to satisfy constraint: Member must satisfy regular expression pattern: ${pattern.source}`,
    );
  }
  return given;
}

const invalid = (message: string) => new AwsError('InvalidParameterException', message);
const notFound = (message: string) => new AwsError('ResourceNotFoundException', message);
const exists = (message: string) => new AwsError('ResourceAlreadyExistsException', message);
