import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  GetLogEventsCommand,
  PutLogEventsCommand,
  ResourceAlreadyExistsException,
} from '@aws-sdk/client-cloudwatch-logs';
import { logs, openLog } from '../lib/services/logs';
import { clientConfig, sandboxForTest } from './_helpers/sandbox';
import { type TinySandbox, tinySandbox } from './tiny';

let sandbox: TinySandbox;
const call = (operation: string, input: object) => sandbox.call('logs', operation, input);
const where = { logGroupName: '/ecs/site', logStreamName: 'site/1' };
const event = (message: string, timestamp = 1000) => ({ message, timestamp });
const messages = (answer: { events: { message: string }[] }) => answer.events.map(({ message }) => message);

beforeEach(async () => {
  sandbox = await tinySandbox({ logs });
  await call('CreateLogGroup', { logGroupName: '/ecs/site' });
  await call('CreateLogStream', where);
});
afterEach(() => sandbox.stop());

test('a reader who follows the forward token sees every event once and the same token at the end', async () => {
  await call('PutLogEvents', { ...where, logEvents: [event('one'), event('two'), event('three')] });
  const first = await call('GetLogEvents', { ...where, startFromHead: true, limit: 2 });
  expect(messages(first)).toEqual(['one', 'two']);
  const second = await call('GetLogEvents', { ...where, nextToken: first.nextForwardToken });
  expect(messages(second)).toEqual(['three']);
  const end = await call('GetLogEvents', { ...where, nextToken: second.nextForwardToken });
  expect(end).toMatchObject({ events: [], nextForwardToken: second.nextForwardToken });
  // an event that is older by its timestamp, but arrives later, is not missed.
  await call('PutLogEvents', { ...where, logEvents: [event('late', 500)] });
  expect(messages(await call('GetLogEvents', { ...where, nextToken: end.nextForwardToken }))).toEqual(['late']);
});

test('without startFromHead the latest events are answered, and the backward token leads to the older ones', async () => {
  await call('PutLogEvents', { ...where, logEvents: [event('one'), event('two'), event('three')] });
  const latest = await call('GetLogEvents', { ...where, limit: 2 });
  expect(messages(latest)).toEqual(['two', 'three']);
  expect(messages(await call('GetLogEvents', { ...where, nextToken: latest.nextBackwardToken, limit: 2 }))).toEqual(['one']);
});

test('what exists already, what is missing, and what is out of order is refused as AWS refuses it', async () => {
  await expect(call('CreateLogGroup', { logGroupName: '/ecs/site' })).rejects.toMatchObject({
    code: 'ResourceAlreadyExistsException',
    message: 'The specified log group already exists',
  });
  await expect(call('CreateLogStream', where)).rejects.toMatchObject({ code: 'ResourceAlreadyExistsException' });
  await expect(call('CreateLogStream', { ...where, logGroupName: 'none' })).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
  await expect(call('PutLogEvents', { ...where, logStreamName: 'none', logEvents: [event('x')] })).rejects.toMatchObject({
    message: 'The specified log stream does not exist.',
  });
  await expect(call('PutLogEvents', { ...where, logEvents: [event('b', 2), event('a', 1)] })).rejects.toMatchObject({
    code: 'InvalidParameterException',
  });
  await expect(call('PutRetentionPolicy', { logGroupName: '/ecs/site', retentionInDays: 2 })).rejects.toThrow('it is 2');
});

test('events are found over all streams of a group, by words, by time and by stream', async () => {
  await call('CreateLogStream', { ...where, logStreamName: 'site/2' });
  await call('PutLogEvents', { ...where, logEvents: [event('error: no disk', 10), event('fine', 30)] });
  await call('PutLogEvents', { ...where, logStreamName: 'site/2', logEvents: [event('error: no network', 20)] });
  const find = async (input: object) => messages(await call('FilterLogEvents', { logGroupName: '/ecs/site', ...input }));
  expect(await find({})).toEqual(['error: no disk', 'error: no network', 'fine']);
  expect(await find({ filterPattern: 'error' })).toEqual(['error: no disk', 'error: no network']);
  expect(await find({ filterPattern: '"no disk"' })).toEqual(['error: no disk']);
  expect(await find({ filterPattern: '?disk ?fine' })).toEqual(['error: no disk', 'fine']);
  expect(await find({ filterPattern: 'error -disk' })).toEqual(['error: no network']);
  expect(await find({ startTime: 20, endTime: 30 })).toEqual(['error: no network']);
  expect(await find({ logStreamNames: ['site/2'] })).toEqual(['error: no network']);
  const first = await call('FilterLogEvents', { logGroupName: '/ecs/site', limit: 2 });
  expect(await find({ nextToken: first.nextToken })).toEqual(['fine']);
});

test('groups and streams are listed by prefix, with retention, in pages', async () => {
  await call('CreateLogGroup', { logGroupName: '/aws/lambda/runner' });
  await call('PutRetentionPolicy', { logGroupName: '/ecs/site', retentionInDays: 14 });
  const { logGroups } = await call('DescribeLogGroups', { logGroupNamePrefix: '/ecs' });
  expect(logGroups).toEqual([
    expect.objectContaining({
      logGroupName: '/ecs/site',
      retentionInDays: 14,
      arn: 'arn:aws:logs:eu-central-1:000000000000:log-group:/ecs/site:*',
    }),
  ]);
  const page = await call('DescribeLogGroups', { limit: 1 });
  expect(page.logGroups[0].logGroupName).toBe('/aws/lambda/runner');
  expect((await call('DescribeLogGroups', { nextToken: page.nextToken })).logGroups[0].logGroupName).toBe('/ecs/site');
  await call('CreateLogStream', { ...where, logStreamName: 'site/0' });
  await call('PutLogEvents', { ...where, logEvents: [event('x', 77)] });
  const latest = await call('DescribeLogStreams', { logGroupName: '/ecs/site', orderBy: 'LastEventTime', descending: true });
  expect(latest.logStreams[0]).toMatchObject({ logStreamName: 'site/1', lastEventTimestamp: 77 });
  expect((await call('DescribeLogStreams', { logGroupName: '/ecs/site' })).logStreams[0].logStreamName).toBe('site/0');
});

test('events survive a restart, even one in the middle of a write', async () => {
  await call('PutLogEvents', { ...where, logEvents: [event('kept')] });
  const folder = join(sandbox.folder, 'logs');
  const group = join(folder, readdirSync(folder)[0]!);
  appendFileSync(join(group, readdirSync(group)[0]!), '{"timestamp":1,"mess');
  sandbox = await sandbox.restart();
  expect(messages(await call('GetLogEvents', { ...where, startFromHead: true }))).toEqual(['kept']);
  await call('PutLogEvents', { ...where, logEvents: [event('after')] });
  expect(messages(await call('GetLogEvents', { ...where, startFromHead: true }))).toEqual(['kept', 'after']);
});

test('a deleted group takes its streams and events with it', async () => {
  await call('PutLogEvents', { ...where, logEvents: [event('old')] });
  await call('DeleteLogGroup', { logGroupName: '/ecs/site' });
  await expect(call('GetLogEvents', where)).rejects.toMatchObject({ code: 'ResourceNotFoundException' });
  await call('CreateLogGroup', { logGroupName: '/ecs/site' });
  await call('CreateLogStream', where);
  expect(messages(await call('GetLogEvents', { ...where, startFromHead: true }))).toEqual([]);
});

test('the output of a process is written line by line, whatever pieces it arrives in', async () => {
  const log = openLog(sandbox, '/new/group', 'a');
  log.text('first line\nsec');
  log.text('ond line\r\nlast without end');
  await log.close();
  const answer = await call('GetLogEvents', { logGroupName: '/new/group', logStreamName: 'a', startFromHead: true });
  expect(messages(answer)).toEqual(['first line', 'second line', 'last without end']);
});

test('a group that is missing and may not be made is noted, and the process that writes goes on', async () => {
  const log = openLog(sandbox, '/none', 'a', { createGroup: false });
  log.line('x');
  await log.close();
  expect(sandbox.lines[0]).toBe('logs: cannot write to /none a: The specified log group does not exist.');
});

test('the SDK writes events and reads them back', async () => {
  const running = await sandboxForTest();
  const client = new CloudWatchLogsClient(clientConfig(running));
  await client.send(new CreateLogGroupCommand({ logGroupName: '/ecs/site' }));
  await client.send(new CreateLogStreamCommand(where));
  await client.send(new PutLogEventsCommand({ ...where, logEvents: [event('grüezi', 1_700_000_000_123)] }));
  const { events } = await client.send(new GetLogEventsCommand({ ...where, startFromHead: true }));
  expect(events).toEqual([{ timestamp: 1_700_000_000_123, message: 'grüezi', ingestionTime: expect.any(Number) }]);
  await expect(client.send(new CreateLogGroupCommand({ logGroupName: '/ecs/site' }))).rejects.toBeInstanceOf(
    ResourceAlreadyExistsException,
  );
  await running.stop();
});
