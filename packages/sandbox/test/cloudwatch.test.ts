import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricDataCommand,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { cloudwatch } from '../lib/services/cloudwatch';
import { clientConfig, sandboxForTest } from './_helpers/sandbox';
import { type TinySandbox, tinySandbox } from './tiny';

let sandbox: TinySandbox;
const call = (operation: string, input: object) => sandbox.call('cloudwatch', operation, input);
const Dimensions = [{ Name: 'DBInstanceIdentifier', Value: 'fallback-w1' }];
const noon = Date.parse('2026-03-01T12:00:00Z');
const lag = (Value: number, seconds: number, more: object = {}) =>
  call('PutMetricData', {
    Namespace: 'AWS/RDS',
    MetricData: [{ MetricName: 'ReplicaLag', Dimensions, Unit: 'Seconds', Value, Timestamp: new Date(noon + seconds * 1000), ...more }],
  });
const query = (StartTime: number, EndTime: number, more: object = {}) => ({
  StartTime: new Date(noon + StartTime * 1000),
  EndTime: new Date(noon + EndTime * 1000),
  ...more,
});

beforeEach(async () => {
  sandbox = await tinySandbox({ cloudwatch });
});
afterEach(() => sandbox.stop());

test('values are answered per period, with the statistics asked for', async () => {
  await lag(3, 0);
  await lag(5, 30);
  await lag(1, 60);
  const { Datapoints, Label } = await call('GetMetricStatistics', {
    ...query(0, 120, { Period: 60, Statistics: ['Average', 'Maximum', 'Minimum', 'Sum', 'SampleCount'] }),
    ...{ Namespace: 'AWS/RDS', MetricName: 'ReplicaLag', Dimensions },
  });
  expect(Label).toBe('ReplicaLag');
  expect(Datapoints).toEqual([
    { Timestamp: new Date(noon), Unit: 'Seconds', Average: 4, Maximum: 5, Minimum: 3, Sum: 8, SampleCount: 2 },
    { Timestamp: new Date(noon + 60_000), Unit: 'Seconds', Average: 1, Maximum: 1, Minimum: 1, Sum: 1, SampleCount: 1 },
  ]);
});

test('a query answers the newest period first, and nothing for a metric nobody wrote', async () => {
  await lag(3, 0);
  await lag(1, 60);
  const stat = (MetricName: string) => ({ Metric: { Namespace: 'AWS/RDS', MetricName, Dimensions }, Period: 60, Stat: 'Maximum' });
  const MetricDataQueries = [
    { Id: 'lag', MetricStat: stat('ReplicaLag') },
    { Id: 'cpu', MetricStat: stat('CPUUtilization') },
    { Id: 'hidden', MetricStat: stat('ReplicaLag'), ReturnData: false },
  ];
  const { MetricDataResults } = await call('GetMetricData', query(0, 120, { MetricDataQueries }));
  expect(MetricDataResults).toEqual([
    { Id: 'lag', Label: 'ReplicaLag', StatusCode: 'Complete', Timestamps: [new Date(noon + 60_000), new Date(noon)], Values: [1, 3] },
    { Id: 'cpu', Label: 'CPUUtilization', StatusCode: 'Complete', Timestamps: [], Values: [] },
  ]);
  const ascending = await call('GetMetricData', query(0, 120, { MetricDataQueries, ScanBy: 'TimestampAscending' }));
  expect(ascending.MetricDataResults[0].Values).toEqual([3, 1]);
  const math = query(0, 120, { MetricDataQueries: [{ Id: 'e', Expression: 'lag * 2' }] });
  await expect(call('GetMetricData', math)).rejects.toThrow('does not evaluate metric math: e has the expression lag * 2');
});

test('several values and sums may be given at once', async () => {
  await lag(0, 0, { Value: undefined, Values: [2, 4], Counts: [3, 1] });
  await lag(0, 10, { Value: undefined, StatisticValues: { Sum: 10, SampleCount: 1, Minimum: 10, Maximum: 10 } });
  const { Datapoints } = await call('GetMetricStatistics', {
    ...query(0, 60, { Period: 60, Statistics: ['Sum', 'SampleCount'] }),
    ...{ Namespace: 'AWS/RDS', MetricName: 'ReplicaLag', Dimensions },
  });
  expect(Datapoints).toEqual([expect.objectContaining({ Sum: 20, SampleCount: 5 })]);
});

test('metrics are listed by namespace, name and dimension', async () => {
  await lag(1, 0);
  await call('PutMetricData', { Namespace: 'Switchback', MetricData: [{ MetricName: 'Windows', Value: 1 }] });
  const names = async (input: object) =>
    (await call('ListMetrics', input)).Metrics.map(({ MetricName }: { MetricName: string }) => MetricName);
  expect(await names({})).toEqual(['ReplicaLag', 'Windows']);
  expect(await names({ Namespace: 'Switchback' })).toEqual(['Windows']);
  expect(await names({ Dimensions: [{ Name: 'DBInstanceIdentifier' }] })).toEqual(['ReplicaLag']);
  expect(await names({ Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'other' }] })).toEqual([]);
});

test('an alarm has too little data until there is some, and then says what it sees', async () => {
  const alarm = {
    ...{ AlarmName: 'lag', Namespace: 'AWS/RDS', MetricName: 'ReplicaLag', Dimensions, Statistic: 'Maximum' },
    ...{ Period: 60, EvaluationPeriods: 5, DatapointsToAlarm: 1, Threshold: 10, ComparisonOperator: 'GreaterThanThreshold' },
  };
  await call('PutMetricAlarm', alarm);
  const state = async () => (await call('DescribeAlarms', { AlarmNames: ['lag'] })).MetricAlarms[0].StateValue;
  expect(await state()).toBe('INSUFFICIENT_DATA');
  await lag(1, 0, { Timestamp: new Date() });
  expect(await state()).toBe('OK');
  await lag(11, 0, { Timestamp: new Date() });
  expect(await state()).toBe('ALARM');
  // alarms survive a restart, their data does not.
  sandbox = await sandbox.restart();
  expect(await state()).toBe('INSUFFICIENT_DATA');
  await call('PutMetricAlarm', { ...alarm, TreatMissingData: 'breaching' });
  expect(await state()).toBe('ALARM');
  expect((await call('DescribeAlarms', { StateValue: 'OK' })).MetricAlarms).toEqual([]);
  await call('DeleteAlarms', { AlarmNames: ['lag'] });
  await expect(call('DeleteAlarms', { AlarmNames: ['lag'] })).rejects.toMatchObject({ code: 'ResourceNotFound', status: 404 });
});

test('what is old is forgotten before memory runs out', async () => {
  const MetricData = Array.from({ length: 1000 }, (_, n) => ({ MetricName: `m${n}`, Value: n }));
  await lag(1, 0);
  await call('PutMetricData', { Namespace: 'Many', MetricData });
  const { Metrics, NextToken } = await call('ListMetrics', {});
  expect(Metrics).toHaveLength(500);
  expect((await call('ListMetrics', { NextToken })).Metrics).toHaveLength(500);
  expect((await call('ListMetrics', { Namespace: 'AWS/RDS' })).Metrics).toEqual([]);
});

test('a range that is upside down and a statistic that is not served are refused', async () => {
  await lag(1, 0);
  const input = { Namespace: 'AWS/RDS', MetricName: 'ReplicaLag', Period: 60, Statistics: ['Average'] };
  await expect(call('GetMetricStatistics', { ...input, ...query(60, 0) })).rejects.toThrow('StartTime must be less than');
  const percentile = { ...input, ...query(0, 60), Dimensions, Statistics: ['p99'] };
  await expect(call('GetMetricStatistics', percentile)).rejects.toThrow('not the statistic p99');
});

test('the SDK writes a metric, reads it back, and sees its alarm', async () => {
  const running = await sandboxForTest();
  const client = new CloudWatchClient(clientConfig(running));
  const Timestamp = new Date();
  const MetricData = [{ MetricName: 'ReplicaLag', Dimensions, Unit: 'Seconds' as const, Value: 2.5, Timestamp }];
  await client.send(new PutMetricDataCommand({ Namespace: 'AWS/RDS', MetricData }));
  const Metric = { Namespace: 'AWS/RDS', MetricName: 'ReplicaLag', Dimensions };
  const { MetricDataResults } = await client.send(
    new GetMetricDataCommand({
      StartTime: new Date(Timestamp.getTime() - 60_000),
      EndTime: new Date(Timestamp.getTime() + 60_000),
      MetricDataQueries: [{ Id: 'lag', MetricStat: { Metric, Period: 60, Stat: 'Maximum' } }],
    }),
  );
  expect(MetricDataResults?.[0]?.Values).toEqual([2.5]);
  expect(MetricDataResults?.[0]?.Timestamps?.[0]).toEqual(new Date(Math.floor(Timestamp.getTime() / 60_000) * 60_000));
  const alarm = { ...Metric, AlarmName: 'lag', Statistic: 'Maximum' as const, Period: 60, EvaluationPeriods: 2, Threshold: 2 };
  await client.send(new PutMetricAlarmCommand({ ...alarm, ComparisonOperator: 'GreaterThanThreshold' }));
  const { MetricAlarms } = await client.send(new DescribeAlarmsCommand({}));
  expect(MetricAlarms).toEqual([expect.objectContaining({ AlarmName: 'lag', StateValue: 'ALARM', Threshold: 2 })]);
  await running.stop();
});
