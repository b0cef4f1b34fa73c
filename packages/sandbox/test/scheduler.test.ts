import { scheduler } from '../lib/services/scheduler';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

const arn = 'arn:aws:lambda:eu-central-1:000000000000:function:runner';
const target = { Arn: arn, RoleArn: 'arn:aws:iam::000000000000:role/scheduler', Input: '{"verb":"teardown"}' };
const base = { FlexibleTimeWindow: { Mode: 'OFF' }, Target: target };

let invocations: { at: number; FunctionName: string; InvocationType: string; event: { verb?: string; [key: string]: unknown } }[];
let refuse: boolean;
const lambda = () => ({
  client: 'client-lambda',
  handlers: {
    Invoke(input: { FunctionName: string; InvocationType: string; Payload: Uint8Array }) {
      if (refuse) throw new Error('Function not found');
      const { FunctionName, InvocationType } = input;
      invocations.push({ at: Date.now(), FunctionName, InvocationType, event: JSON.parse(Buffer.from(input.Payload).toString()) });
      return { StatusCode: 202 };
    },
  },
});

let sandbox: TinySandbox;
const call = (operation: string, input: object) => sandbox.call('scheduler', operation, input);
/** The expression of a moment some real milliseconds from now, rounded up to a whole second. */
const soon = (milliseconds: number) => {
  const at = new Date(Math.ceil((Date.now() + milliseconds) / 1000) * 1000);
  return { at: at.getTime(), expression: `at(${at.toISOString().slice(0, 19)})` };
};

beforeEach(async () => {
  invocations = [];
  refuse = false;
  sandbox = await tinySandbox({ scheduler, lambda }, { speed: 1000 });
});
afterEach(() => sandbox.stop());

test('a one-time schedule invokes its function once, at its time and never earlier, and is deleted if it asked for that', async () => {
  const { at, expression } = soon(100);
  await call('CreateSchedule', { ...base, Name: 'once', ScheduleExpression: expression, ActionAfterCompletion: 'DELETE' });
  await call('CreateSchedule', { ...base, Name: 'stays', ScheduleExpression: expression });
  await eventually(() => invocations.length === 2);
  expect(invocations[0]).toMatchObject({ FunctionName: arn, InvocationType: 'Event', event: { verb: 'teardown' } });
  for (const invocation of invocations) expect(invocation.at).toBeGreaterThanOrEqual(at);
  await expect(call('GetSchedule', { Name: 'once' })).rejects.toMatchObject({
    code: 'ResourceNotFoundException',
    status: 404,
    message: 'Schedule once does not exist.',
  });
  expect(await call('GetSchedule', { Name: 'stays' })).toMatchObject({ State: 'ENABLED', ScheduleExpression: expression });
  // a schedule that is complete does not fire again when the sandbox is started again.
  sandbox = await sandbox.restart();
  await call('CreateSchedule', { ...base, Name: 'now', ScheduleExpression: 'rate(1 day)' });
  await eventually(() => invocations.length === 3);
});

test('a one-time schedule means the local time of its zone', async () => {
  const { at } = soon(100);
  const local = new Date(at + 9 * 3600_000).toISOString().slice(0, 19);
  await call('CreateSchedule', { ...base, Name: 'tokyo', ScheduleExpression: `at(${local})`, ScheduleExpressionTimezone: 'Asia/Tokyo' });
  await eventually(() => invocations.length === 1);
  expect(invocations[0]!.at).toBeGreaterThanOrEqual(at);
});

test('a rate fires at once and then in AWS time, divided by the speed of the sandbox', async () => {
  await call('CreateSchedule', { ...base, Name: 'beat', ScheduleExpression: 'rate(5 minutes)' });
  await eventually(() => invocations.length === 4);
  const seconds = (invocations[3]!.at - invocations[0]!.at) / 1000;
  // three times 300 s at a thousand times the speed; a busy machine may add to it, but not the 15 minutes of a clock on the wall.
  expect(seconds).toBeGreaterThan(0.8);
});

test('a rate keeps to its start and end dates, which are wall-clock time, and is deleted after the end', async () => {
  const StartDate = new Date(Date.now() + 200);
  const EndDate = new Date(Date.now() + 500);
  await call('CreateSchedule', {
    ...base,
    Name: 'bounded',
    ScheduleExpression: 'rate(1 minute)',
    StartDate,
    EndDate,
    ActionAfterCompletion: 'DELETE',
  });
  await eventually(() =>
    call('GetSchedule', { Name: 'bounded' }).then(
      () => false,
      () => true,
    ),
  );
  expect(invocations.length).toBeGreaterThan(0);
  expect(invocations[0]!.at).toBeGreaterThanOrEqual(StartDate.getTime());
  const last = invocations.length;
  expect(last).toBeLessThanOrEqual(6);
});

test('what came due while the sandbox was down fires once when it starts', async () => {
  const { expression } = soon(0);
  await call('CreateSchedule', { ...base, Name: 'overdue', ScheduleExpression: expression });
  await call('CreateSchedule', { ...base, Name: 'beat', ScheduleExpression: 'rate(1 minute)', State: 'DISABLED' });
  await sandbox.stopServices();
  await eventually(() => Date.parse(`${expression.slice(3, 22)}Z`) < Date.now());
  expect(invocations).toHaveLength(0);
  sandbox = await sandbox.restart();
  await eventually(() => invocations.length === 1);
});

test('a disabled schedule does not fire until it is enabled, and an update replaces everything', async () => {
  await call('CreateSchedule', { ...base, Name: 'off', ScheduleExpression: 'rate(1 minute)', State: 'DISABLED', Description: 'was here' });
  await call('CreateSchedule', {
    ...base,
    Name: 'clock',
    ScheduleExpression: 'rate(1 minute)',
    Target: { ...target, Input: '{"verb":"tick"}' },
  });
  await eventually(() => invocations.length === 2);
  expect(invocations.map(({ event }) => event.verb)).toEqual(['tick', 'tick']);
  await call('UpdateSchedule', { ...base, Name: 'off', ScheduleExpression: 'rate(1 minute)' });
  const schedule = await call('GetSchedule', { Name: 'off' });
  expect(schedule.State).toBe('ENABLED');
  expect(schedule.Description).toBeUndefined();
  await eventually(() => invocations.some(({ event }) => event.verb === 'teardown'));
});

test('a client token makes creating safe to repeat; another token for the same name is a conflict', async () => {
  const input = { ...base, Name: 'w1', ScheduleExpression: 'rate(5 minutes)', ClientToken: 'a' };
  const first = await call('CreateSchedule', input);
  expect(first.ScheduleArn).toBe('arn:aws:scheduler:eu-central-1:000000000000:schedule/default/w1');
  expect(await call('CreateSchedule', input)).toEqual(first);
  await expect(call('CreateSchedule', { ...input, ClientToken: 'b' })).rejects.toMatchObject({
    code: 'ConflictException',
    status: 409,
    message: 'Schedule w1 already exists.',
  });
});

test('a target that cannot be invoked is tried again', async () => {
  refuse = true;
  await call('CreateSchedule', { ...base, Name: 'stubborn', ScheduleExpression: 'rate(1 day)' });
  await eventually(() => sandbox.lines.some((line) => line.includes('default/stubborn failed (attempt 2): Function not found')));
  refuse = false;
  await eventually(() => invocations.length === 1);
  refuse = true;
  const once = { ...target, RetryPolicy: { MaximumRetryAttempts: 0 } };
  await call('CreateSchedule', { ...base, Name: 'meek', ScheduleExpression: 'rate(1 day)', Target: once });
  await eventually(() => sandbox.lines.some((line) => line.includes('default/meek failed (attempt 1, the last)')));
});

test('the event has what the input asks for, or says what fired', async () => {
  const Input = '{"from":"<aws.scheduler.schedule-arn>","at":"<aws.scheduler.scheduled-time>"}';
  await call('CreateSchedule', { ...base, Name: 'context', ScheduleExpression: 'rate(1 day)', Target: { ...target, Input } });
  await call('CreateSchedule', { ...base, Name: 'plain', ScheduleExpression: 'rate(1 day)', Target: { ...target, Input: undefined } });
  await eventually(() => invocations.length === 2);
  const [context, plain] = invocations.map(({ event }) => event);
  expect(context).toEqual({
    from: 'arn:aws:scheduler:eu-central-1:000000000000:schedule/default/context',
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
  expect(plain).toMatchObject({ source: 'aws.scheduler', 'detail-type': 'Scheduled Event', region: 'eu-central-1' });
});

test('schedules live in groups, which are listed and take their schedules with them', async () => {
  const { ScheduleGroupArn } = await call('CreateScheduleGroup', { Name: 'video' });
  expect(ScheduleGroupArn).toBe('arn:aws:scheduler:eu-central-1:000000000000:schedule-group/video');
  await expect(call('CreateScheduleGroup', { Name: 'video' })).rejects.toMatchObject({ code: 'ConflictException' });
  const far = { ...base, ScheduleExpression: 'at(2999-01-01T00:00:00)' };
  await call('CreateSchedule', { ...far, Name: 'w1-teardown', GroupName: 'video' });
  await call('CreateSchedule', { ...far, Name: 'w2-teardown', GroupName: 'video', State: 'DISABLED' });
  await call('CreateSchedule', { ...far, Name: 'other' });
  const list = async (input: object) => (await call('ListSchedules', input)).Schedules.map(({ Name }: { Name: string }) => Name);
  expect(await list({})).toEqual(['other', 'w1-teardown', 'w2-teardown']);
  expect(await list({ GroupName: 'video', NamePrefix: 'w1' })).toEqual(['w1-teardown']);
  expect(await list({ GroupName: 'video', State: 'DISABLED' })).toEqual(['w2-teardown']);
  const page = await call('ListSchedules', { MaxResults: 2 });
  expect(await list({ NextToken: page.NextToken })).toEqual(['w2-teardown']);
  expect((await call('ListScheduleGroups', {})).ScheduleGroups.map(({ Name }: { Name: string }) => Name)).toEqual(['default', 'video']);
  await call('DeleteScheduleGroup', { Name: 'video' });
  expect(await list({})).toEqual(['other']);
  await expect(call('GetScheduleGroup', { Name: 'video' })).rejects.toMatchObject({ message: 'Schedule group video does not exist.' });
  await expect(call('CreateSchedule', { ...far, Name: 'x', GroupName: 'video' })).rejects.toMatchObject({
    code: 'ResourceNotFoundException',
  });
});

test.each([
  ['a cron expression', { ScheduleExpression: 'cron(0 3 * * ? *)' }, 'The sandbox does not serve cron expressions: cron(0 3 * * ? *)'],
  ['a rate in seconds', { ScheduleExpression: 'rate(5 seconds)' }, 'Invalid Schedule Expression rate(5 seconds).'],
  ['a day that does not exist', { ScheduleExpression: 'at(2999-02-30T00:00:00)' }, 'Invalid Schedule Expression'],
  ['a time in the past', { ScheduleExpression: 'at(2020-01-01T00:00:00)' }, 'the time is in the past'],
  ['a start in the past', { StartDate: new Date(0) }, 'cannot be earlier than 5 minutes ago'],
  ['an unknown time zone', { ScheduleExpression: 'at(2999-01-01T00:00:00)', ScheduleExpressionTimezone: 'Mars/Base' }, 'Mars/Base'],
  ['a name with a slash', { Name: 'w1/teardown' }, "Value 'w1/teardown' at 'name'"],
  ['a name of 65 characters', { Name: 'x'.repeat(65) }, "at 'name' failed to satisfy constraint"],
  ['no flexible time window', { FlexibleTimeWindow: undefined }, 'FlexibleTimeWindow'],
  ['no role', { Target: { Arn: arn } }, 'RoleArn'],
  ['another target than a function', { Target: { ...target, Arn: 'arn:aws:sqs:eu-central-1:000000000000:q' } }, 'Lambda functions only'],
])('%s is refused', async (_what, input, message) => {
  const given = { ...base, Name: 'x', ScheduleExpression: 'rate(1 minute)', ...input };
  await expect(call('CreateSchedule', given)).rejects.toMatchObject({
    code: 'ValidationException',
    message: expect.stringContaining(message),
  });
});
