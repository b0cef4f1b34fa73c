/**
 * EventBridge Scheduler. An `at()`, a start date and an end date are moments on the wall clock and cannot be scaled;
 * a `rate()` is a duration and is divided by the sandbox's speed. A target is invoked at its time or up to an AWS
 * second later, never earlier. What came due while the sandbox was down fires once when it starts.
 */
import { randomUUID } from 'node:crypto';
import type {
  CreateScheduleGroupInput,
  CreateScheduleInput,
  GetScheduleInput,
  ListSchedulesInput,
  Target,
  UpdateScheduleInput,
} from '@aws-sdk/client-scheduler';
import { AwsError, type Sandbox, type Service } from '../service';

interface Group {
  Name: string;
  Arn: string;
  State: 'ACTIVE';
  CreationDate: Date;
  LastModificationDate: Date;
}

/** What the API shows of a schedule. */
interface Described {
  Arn: string;
  Name: string;
  GroupName: string;
  Description?: string;
  ScheduleExpression: string;
  ScheduleExpressionTimezone: string;
  StartDate?: Date;
  EndDate?: Date;
  State: 'ENABLED' | 'DISABLED';
  Target: Target;
  FlexibleTimeWindow: { Mode?: string; MaximumWindowInMinutes?: number };
  ActionAfterCompletion: 'NONE' | 'DELETE';
  CreationDate: Date;
  LastModificationDate: Date;
}

interface Schedule {
  shown: Described;
  clientToken?: string;
  /** When it fires next (Unix milliseconds); absent once it is complete. */
  nextAt?: number;
}

/** What an expression means: one moment, or a time between two invocations. */
type Timing = { readonly kind: 'at'; readonly at: number } | { readonly kind: 'rate'; readonly awsSeconds: number };

const namePattern = /^[0-9a-zA-Z-_.]{1,64}$/;
const defaultRetries = 185;
const defaultEventAge = 86_400;
const firstRetrySeconds = 1;
const longestRetrySeconds = 300;

export const scheduler = (sandbox: Sandbox): Service => {
  const groups = sandbox.table<Group>('scheduler.groups');
  const schedules = sandbox.table<Schedule>('scheduler.schedules');

  const groupOf = (name = 'default'): Group => {
    if (name === 'default' && !groups.has(name)) groups.set(name, newGroup(sandbox, name));
    const group = groups.get(name);
    if (!group) throw notFound(`Schedule group ${name} does not exist.`);
    return group;
  };
  const keyOf = (input: GetScheduleInput) => `${groupOf(input.GroupName).Name}/${input.Name}`;
  const find = (input: GetScheduleInput): Schedule => {
    const found = schedules.get(keyOf(input));
    if (!found) throw notFound(`Schedule ${input.Name} does not exist.`);
    return found;
  };

  /** Invokes the target, and again with growing pauses while that fails, as often and as long as its retry policy says. */
  const invoke = async (schedule: Described, scheduledFor: number, attempt = 1, began = Date.now()): Promise<void> => {
    try {
      await sandbox.call('lambda', 'Invoke', {
        FunctionName: schedule.Target.Arn,
        InvocationType: 'Event',
        Payload: Buffer.from(payloadOf(schedule, scheduledFor, attempt)),
      });
      sandbox.log(`scheduler: ${schedule.GroupName}/${schedule.Name} invoked ${schedule.Target.Arn}`);
    } catch (error) {
      const { MaximumRetryAttempts: retries = defaultRetries, MaximumEventAgeInSeconds: oldest = defaultEventAge } =
        schedule.Target.RetryPolicy ?? {};
      const age = ((Date.now() - began) / 1000) * sandbox.speed;
      const given = attempt > retries || age > oldest;
      sandbox.log(
        `scheduler: ${schedule.GroupName}/${schedule.Name} failed (attempt ${attempt}${given ? ', the last' : ''}): ${(error as Error).message}`,
      );
      const wait = Math.min(longestRetrySeconds, firstRetrySeconds * 2 ** (attempt - 1));
      if (!given) sandbox.after(wait, () => invoke(schedule, scheduledFor, attempt + 1, began));
    }
  };

  const check = async (): Promise<void> => {
    const now = Date.now();
    for (const [key, schedule] of schedules.entries()) {
      const { shown, nextAt } = schedule;
      if (nextAt === undefined || nextAt > now || shown.State === 'DISABLED') continue;
      const timing = timingOf(shown);
      const over = timing.kind === 'rate' && shown.EndDate !== undefined && nextAt > shown.EndDate.getTime();
      const following = over ? undefined : followingTime(timing, nextAt, now, sandbox.speed);
      const complete =
        following === undefined || (timing.kind === 'rate' && following > (shown.EndDate?.getTime() ?? Number.POSITIVE_INFINITY));
      if (!over) await invoke(shown, nextAt);
      // written after the target was invoked: a sandbox that is killed here fires again, as AWS may; never too seldom.
      const still = schedules.get(key);
      if (still?.nextAt !== nextAt) continue;
      if (complete && still.shown.ActionAfterCompletion === 'DELETE') schedules.delete(key);
      else schedules.set(key, { ...still, nextAt: complete ? undefined : following });
    }
  };

  return {
    client: 'client-scheduler',
    async start() {
      groupOf();
      sandbox.every(1, check);
    },
    handlers: {
      CreateSchedule(input: CreateScheduleInput) {
        checkName(input.Name, 'name');
        const key = keyOf(input);
        const existing = schedules.get(key);
        if (existing) {
          if (input.ClientToken && existing.clientToken === input.ClientToken) return { ScheduleArn: existing.shown.Arn };
          throw new AwsError('ConflictException', `Schedule ${input.Name} already exists.`, 409);
        }
        const now = new Date();
        const shown = described(input, sandbox.arn('scheduler', `schedule/${key}`), now);
        refusePast(shown, now);
        schedules.set(key, { shown, clientToken: input.ClientToken, nextAt: firstTime(shown, now) });
        return { ScheduleArn: shown.Arn };
      },

      GetSchedule: (input: GetScheduleInput) => find(input).shown,

      /** Replaces the whole schedule: what is not given goes back to its default, as on AWS. */
      UpdateSchedule(input: UpdateScheduleInput) {
        const existing = find(input);
        const now = new Date();
        const shown = { ...described(input, existing.shown.Arn, now), CreationDate: existing.shown.CreationDate };
        const sameTime =
          shown.ScheduleExpression === existing.shown.ScheduleExpression &&
          shown.ScheduleExpressionTimezone === existing.shown.ScheduleExpressionTimezone &&
          shown.StartDate?.getTime() === existing.shown.StartDate?.getTime();
        if (!sameTime) refusePast(shown, now);
        schedules.set(keyOf(input), { ...existing, shown, nextAt: sameTime ? existing.nextAt : firstTime(shown, now) });
        return { ScheduleArn: shown.Arn };
      },

      DeleteSchedule(input: GetScheduleInput) {
        find(input);
        schedules.delete(keyOf(input));
        return {};
      },

      ListSchedules(input: ListSchedulesInput) {
        if (input.GroupName) groupOf(input.GroupName);
        const all = schedules
          .values()
          .map(({ shown }) => shown)
          .filter((each) => !input.GroupName || each.GroupName === input.GroupName)
          .filter((each) => each.Name.startsWith(input.NamePrefix ?? '') && (!input.State || each.State === input.State))
          .sort((a, b) => (a.Arn < b.Arn ? -1 : 1));
        const { page, NextToken } = pageOf(all, input);
        return {
          NextToken,
          Schedules: page.map(({ Arn, Name, GroupName, State, CreationDate, LastModificationDate, Target }) => ({
            ...{ Arn, Name, GroupName, State, CreationDate, LastModificationDate },
            Target: { Arn: Target.Arn },
          })),
        };
      },

      CreateScheduleGroup(input: CreateScheduleGroupInput) {
        checkName(input.Name, 'name');
        const name = input.Name ?? '';
        if (name === 'default' || groups.has(name)) throw new AwsError('ConflictException', `Schedule group ${name} already exists.`, 409);
        return { ScheduleGroupArn: groups.set(name, newGroup(sandbox, name)).Arn };
      },

      GetScheduleGroup: (input: { Name?: string }) => groupOf(input.Name),

      ListScheduleGroups(input: { NamePrefix?: string; NextToken?: string; MaxResults?: number }) {
        groupOf();
        const all = groups.values().filter((group) => group.Name.startsWith(input.NamePrefix ?? ''));
        const { page, NextToken } = pageOf(all, input);
        return { NextToken, ScheduleGroups: page };
      },

      DeleteScheduleGroup(input: { Name?: string }) {
        const group = groupOf(input.Name);
        if (group.Name === 'default') throw invalid('The default schedule group cannot be deleted.');
        for (const [key, { shown }] of schedules.entries()) if (shown.GroupName === group.Name) schedules.delete(key);
        groups.delete(group.Name);
        return {};
      },
    },
  };
};

function newGroup(sandbox: Sandbox, name: string): Group {
  const now = new Date();
  const arn = sandbox.arn('scheduler', `schedule-group/${name}`);
  return { Name: name, Arn: arn, State: 'ACTIVE', CreationDate: now, LastModificationDate: now };
}

function described(input: CreateScheduleInput | UpdateScheduleInput, arn: string, now: Date): Described {
  const { Target: target, FlexibleTimeWindow: flexible } = input;
  if (!target?.Arn || !target.RoleArn) throw invalid('Target with Arn and RoleArn is required.');
  if (!/^arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:/.test(target.Arn)) {
    throw invalid(`The sandbox invokes Lambda functions only; the target is ${target.Arn}`);
  }
  if (!flexible?.Mode) throw invalid('FlexibleTimeWindow with Mode OFF or FLEXIBLE is required.');
  if (input.StartDate && input.EndDate && input.EndDate <= input.StartDate) throw invalid('The EndDate must come after the StartDate.');
  const shown: Described = {
    Arn: arn,
    Name: input.Name ?? '',
    GroupName: input.GroupName ?? 'default',
    Description: input.Description,
    ScheduleExpression: input.ScheduleExpression ?? '',
    ScheduleExpressionTimezone: input.ScheduleExpressionTimezone ?? 'UTC',
    StartDate: input.StartDate,
    EndDate: input.EndDate,
    State: input.State ?? 'ENABLED',
    Target: target,
    FlexibleTimeWindow: flexible,
    ActionAfterCompletion: input.ActionAfterCompletion ?? 'NONE',
    CreationDate: now,
    LastModificationDate: now,
  };
  timingOf(shown);
  return shown;
}

function timingOf(schedule: Pick<Described, 'ScheduleExpression' | 'ScheduleExpressionTimezone'>): Timing {
  const expression = schedule.ScheduleExpression;
  if (expression.startsWith('cron(')) {
    throw invalid(`The sandbox does not serve cron expressions: ${expression}. Use at(yyyy-mm-ddThh:mm:ss) or rate(value unit).`);
  }
  const at = /^at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)$/.exec(expression)?.[1];
  if (at) {
    const moment = momentIn(at, schedule.ScheduleExpressionTimezone);
    if (moment !== undefined) return { kind: 'at', at: moment };
  }
  const rate = /^rate\(([1-9]\d*) (minute|hour|day)s?\)$/.exec(expression);
  if (rate) return { kind: 'rate', awsSeconds: Number(rate[1]) * ({ minute: 60, hour: 3600, day: 86_400 }[rate[2] ?? ''] ?? 60) };
  throw invalid(`Invalid Schedule Expression ${expression}.`);
}

/** The Unix milliseconds of a local time in a time zone; undefined if there is no such date. */
function momentIn(local: string, timeZone: string): number | undefined {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc) || new Date(asUtc).toISOString().slice(0, 19) !== local) return undefined;
  let zone: Intl.DateTimeFormat;
  try {
    zone = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  } catch {
    throw invalid(`Invalid ScheduleExpressionTimezone: ${timeZone}`);
  }
  // 'sv-SE' writes yyyy-mm-dd hh:mm:ss: what the zone's clocks show at a moment, compared with what they should.
  const offset = (moment: number) => Date.parse(`${zone.format(moment).replace(' ', 'T')}Z`) - moment;
  const guess = asUtc - offset(asUtc);
  const moment = asUtc - offset(guess);
  // an hour that summer time skips: the later of the two readings, so never earlier than asked for.
  return offset(moment) === offset(guess) ? moment : Math.max(moment, guess);
}

function refusePast(schedule: Described, now: Date): void {
  const timing = timingOf(schedule);
  if (timing.kind === 'at' && timing.at < now.getTime()) {
    throw invalid(`Invalid Schedule Expression ${schedule.ScheduleExpression}: the time is in the past.`);
  }
  if (timing.kind === 'rate' && schedule.StartDate && schedule.StartDate.getTime() < now.getTime() - 300_000) {
    throw invalid('The StartDate you specify cannot be earlier than 5 minutes ago.');
  }
  if (timing.kind === 'rate' && schedule.EndDate && schedule.EndDate < now) throw invalid('The EndDate you specify must be in the future.');
}

/** A rate without a start date fires at once. */
function firstTime(schedule: Described, now: Date): number {
  const timing = timingOf(schedule);
  return timing.kind === 'at' ? timing.at : Math.max(now.getTime(), schedule.StartDate?.getTime() ?? 0);
}

/** The next time after `now` on the schedule's own beat; times that were missed do not pile up. */
function followingTime(timing: Timing, fired: number, now: number, speed: number): number | undefined {
  if (timing.kind === 'at') return undefined;
  const gap = (timing.awsSeconds * 1000) / speed;
  return fired + gap * Math.max(1, Math.ceil((now - fired) / gap));
}

/** The input with Scheduler's context attributes filled in, or the event Scheduler sends without one. */
function payloadOf(schedule: Described, scheduledFor: number, attempt: number): string {
  const time = new Date(scheduledFor).toISOString().replace(/\.\d+Z$/, 'Z');
  const id = randomUUID();
  if (schedule.Target.Input === undefined) {
    const [, , , region, account] = schedule.Arn.split(':');
    return JSON.stringify({
      ...{ version: '0', id, 'detail-type': 'Scheduled Event', source: 'aws.scheduler', account, time, region },
      resources: [schedule.Arn],
      detail: '{}',
    });
  }
  return schedule.Target.Input.replaceAll('<aws.scheduler.schedule-arn>', schedule.Arn)
    .replaceAll('<aws.scheduler.scheduled-time>', time)
    .replaceAll('<aws.scheduler.execution-id>', id)
    .replaceAll('<aws.scheduler.attempt-number>', String(attempt));
}

function checkName(name: string | undefined, member: string): void {
  if (namePattern.test(name ?? '')) return;
  throw invalid(
    `1 validation error detected: Value '${name}' at '${member}' failed to satisfy constraint: Member must have length 1 to 64 and satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$`,
  );
}

function pageOf<T>(all: T[], input: { NextToken?: string; MaxResults?: number }) {
  const from = Number(input.NextToken ?? 0);
  const to = from + (input.MaxResults ?? 100);
  return { page: all.slice(from, to), NextToken: to < all.length ? String(to) : undefined };
}

const invalid = (message: string) => new AwsError('ValidationException', message);
const notFound = (message: string) => new AwsError('ResourceNotFoundException', message, 404);
