/** CloudWatch metrics and alarms, in memory and bounded; alarms are kept. Times are wall-clock times, not scaled. */
import type {
  DescribeAlarmsInput,
  Dimension,
  GetMetricDataInput,
  GetMetricStatisticsInput,
  ListMetricsInput,
  MetricDatum,
  PutMetricAlarmInput,
  PutMetricDataInput,
} from '@aws-sdk/client-cloudwatch';
import { AwsError, type Sandbox, type Service } from '../service';

/** One value, or the sum of several given at once. */
interface Point {
  at: number;
  sum: number;
  count: number;
  min: number;
  max: number;
}

interface Metric {
  namespace: string;
  name: string;
  dimensions: Dimension[];
  unit: string;
  points: Point[];
}

interface Alarm {
  input: PutMetricAlarmInput;
  arn: string;
  updated: Date;
}

/** Bounds: a sandbox that runs for days forgets its oldest values and the metrics nobody wrote to for longest. */
const maxPoints = 10_000;
const maxMetrics = 1000;
const maxDatapoints = 1440;

export const cloudwatch = (sandbox: Sandbox): Service => {
  const metrics = new Map<string, Metric>();
  const alarms = sandbox.table<Alarm>('cloudwatch.alarms');

  const put = (namespace: string, datum: MetricDatum) => {
    const name = required(datum.MetricName, 'MetricName');
    const key = keyOf(namespace, name, datum.Dimensions);
    const metric = metrics.get(key) ?? {
      namespace,
      name,
      dimensions: datum.Dimensions ?? [],
      unit: datum.Unit ?? 'None',
      points: [],
    };
    metric.points.push(...pointsOf(datum));
    metric.points.sort((a, b) => a.at - b.at);
    metric.points.splice(0, metric.points.length - maxPoints);
    // moved to the end, so that the first one is the one not written to for longest.
    metrics.delete(key);
    metrics.set(key, metric);
    const oldest = metrics.keys().next().value;
    if (metrics.size > maxMetrics && oldest !== undefined) metrics.delete(oldest);
  };

  const statesOf = (alarm: Alarm) => {
    const { input } = alarm;
    const metric = metrics.get(keyOf(input.Namespace ?? '', input.MetricName ?? '', input.Dimensions));
    const { state, reason } = evaluate(input, metric, Date.now());
    const { Tags: _, ...shown } = input;
    return {
      ...shown,
      AlarmArn: alarm.arn,
      ActionsEnabled: input.ActionsEnabled ?? true,
      AlarmConfigurationUpdatedTimestamp: alarm.updated,
      StateUpdatedTimestamp: alarm.updated,
      StateValue: state,
      StateReason: reason,
    };
  };

  return {
    client: 'client-cloudwatch',
    handlers: {
      PutMetricData(input: PutMetricDataInput) {
        const namespace = required(input.Namespace, 'Namespace');
        for (const datum of input.MetricData ?? []) put(namespace, datum);
        return {};
      },

      GetMetricStatistics(input: GetMetricStatisticsInput) {
        const metric = metrics.get(keyOf(input.Namespace ?? '', input.MetricName ?? '', input.Dimensions));
        const wanted = input.Statistics ?? [];
        if (wanted.length === 0) throw missing('Statistics');
        const datapoints = periods(metric, range(input.StartTime, input.EndTime), input.Period ?? 60).map((period) => ({
          Timestamp: new Date(period.at),
          Unit: metric?.unit,
          ...Object.fromEntries(wanted.map((statistic) => [statistic, statisticOf(period, statistic)])),
        }));
        if (datapoints.length > maxDatapoints) {
          throw new AwsError(
            'InvalidParameterCombination',
            `You have requested up to ${datapoints.length} datapoints, which exceeds the limit of ${maxDatapoints}.`,
          );
        }
        return { Label: input.MetricName, Datapoints: datapoints };
      },

      GetMetricData(input: GetMetricDataInput) {
        const results = (input.MetricDataQueries ?? []).flatMap((query) => {
          const stat = query.MetricStat;
          if (!stat?.Metric) {
            throw new AwsError(
              'ValidationError',
              `The sandbox does not evaluate metric math: ${query.Id} has the expression ${query.Expression}`,
            );
          }
          const metric = metrics.get(keyOf(stat.Metric.Namespace ?? '', stat.Metric.MetricName ?? '', stat.Metric.Dimensions));
          const found = periods(metric, range(input.StartTime, input.EndTime), stat.Period ?? 60);
          // newest first, unless asked otherwise.
          if (input.ScanBy !== 'TimestampAscending') found.reverse();
          const result = {
            Id: query.Id,
            Label: query.Label ?? stat.Metric.MetricName,
            StatusCode: 'Complete',
            Timestamps: found.map((period) => new Date(period.at)),
            Values: found.map((period) => statisticOf(period, stat.Stat ?? 'Average')),
          };
          return query.ReturnData === false ? [] : [result];
        });
        return { MetricDataResults: results, Messages: [] };
      },

      ListMetrics(input: ListMetricsInput) {
        const all = [...metrics.values()].filter(
          (metric) =>
            (!input.Namespace || metric.namespace === input.Namespace) &&
            (!input.MetricName || metric.name === input.MetricName) &&
            (input.Dimensions ?? []).every((wanted) =>
              metric.dimensions.some(({ Name, Value }) => Name === wanted.Name && (wanted.Value === undefined || Value === wanted.Value)),
            ),
        );
        const from = Number(input.NextToken ?? 0);
        return {
          Metrics: all.slice(from, from + 500).map(({ namespace, name, dimensions }) => ({
            Namespace: namespace,
            MetricName: name,
            Dimensions: dimensions,
          })),
          NextToken: from + 500 < all.length ? String(from + 500) : undefined,
        };
      },

      PutMetricAlarm(input: PutMetricAlarmInput) {
        const name = required(input.AlarmName, 'AlarmName');
        if (!input.MetricName) throw new AwsError('ValidationError', `The sandbox serves alarms on one metric only; ${name} has none`);
        if (input.Threshold === undefined) throw missing('Threshold');
        alarms.set(name, { input, arn: sandbox.arn('cloudwatch', `alarm:${name}`), updated: new Date() });
        return {};
      },

      DescribeAlarms(input: DescribeAlarmsInput) {
        const all = alarms
          .values()
          .filter(({ input: { AlarmName = '' } }) => !input.AlarmNames?.length || input.AlarmNames.includes(AlarmName))
          .filter(({ input: { AlarmName = '' } }) => AlarmName.startsWith(input.AlarmNamePrefix ?? ''))
          .map(statesOf)
          .filter((alarm) => !input.StateValue || alarm.StateValue === input.StateValue);
        const from = Number(input.NextToken ?? 0);
        const to = from + (input.MaxRecords ?? 50);
        return { MetricAlarms: all.slice(from, to), CompositeAlarms: [], NextToken: to < all.length ? String(to) : undefined };
      },

      DeleteAlarms(input: { AlarmNames?: string[] }) {
        const names = input.AlarmNames ?? [];
        const unknown = names.filter((name) => !alarms.has(name));
        if (unknown.length) throw new AwsError('ResourceNotFound', `Alarms not found: ${unknown.join(', ')}`, 404);
        for (const name of names) alarms.delete(name);
        return {};
      },
    },
  };
};

function keyOf(namespace: string, name: string, dimensions: Dimension[] = []): string {
  const sorted = dimensions.map(({ Name, Value }) => [Name ?? '', Value ?? '']).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  return JSON.stringify([namespace, name, sorted]);
}

function pointsOf(datum: MetricDatum): Point[] {
  const at = datum.Timestamp?.getTime() ?? Date.now();
  if (datum.StatisticValues) {
    const { Sum = 0, SampleCount = 0, Minimum = 0, Maximum = 0 } = datum.StatisticValues;
    return [{ at, sum: Sum, count: SampleCount, min: Minimum, max: Maximum }];
  }
  const values = datum.Values ?? (datum.Value === undefined ? [] : [datum.Value]);
  if (values.length === 0) throw missing('Value');
  return values.map((value, index) => {
    const count = datum.Counts?.[index] ?? 1;
    return { at, sum: value * count, count, min: value, max: value };
  });
}

/** The points of each period that has any, oldest first; a period begins at a multiple of its length, as on AWS. */
function periods(metric: Metric | undefined, { from, to }: { from: number; to: number }, seconds: number): Point[] {
  const length = seconds * 1000;
  const found = new Map<number, Point>();
  for (const point of metric?.points ?? []) {
    const at = Math.floor(point.at / length) * length;
    // the period that holds the start is answered whole.
    if (at < Math.floor(from / length) * length || point.at >= to) continue;
    const before = found.get(at);
    found.set(
      at,
      before
        ? {
            at,
            sum: before.sum + point.sum,
            count: before.count + point.count,
            min: Math.min(before.min, point.min),
            max: Math.max(before.max, point.max),
          }
        : { ...point, at },
    );
  }
  return [...found.values()].sort((a, b) => a.at - b.at);
}

function statisticOf(period: Point, statistic: string): number {
  switch (statistic) {
    case 'Average':
      return period.sum / period.count;
    case 'Sum':
      return period.sum;
    case 'Minimum':
      return period.min;
    case 'Maximum':
      return period.max;
    case 'SampleCount':
      return period.count;
    default:
      throw new AwsError(
        'InvalidParameterValue',
        `The sandbox serves Average, Sum, Minimum, Maximum and SampleCount, not the statistic ${statistic}`,
      );
  }
}

/** The state an alarm has now, looked at when asked: nothing acts on alarms here. */
function evaluate(alarm: PutMetricAlarmInput, metric: Metric | undefined, now: number): { state: string; reason: string } {
  const { Period: period = 60, EvaluationPeriods: count = 1, Threshold: threshold = 0, ComparisonOperator: comparison = '' } = alarm;
  const last = Math.floor(now / 1000 / period) * period * 1000;
  const first = last - (count - 1) * period * 1000;
  const found = periods(metric, { from: first, to: now + 1 }, period);
  const treat = alarm.TreatMissingData ?? 'missing';
  const none = count - found.length;
  const breaching = found.filter((point) => compare(statisticOf(point, alarm.Statistic ?? 'Average'), comparison, threshold)).length;
  const breaches = breaching + (treat === 'breaching' ? none : 0);
  if (found.length === 0 && treat !== 'breaching' && treat !== 'notBreaching') {
    return { state: 'INSUFFICIENT_DATA', reason: `Insufficient Data: ${count} datapoints were unknown.` };
  }
  const needed = alarm.DatapointsToAlarm ?? count;
  // with data missing, the periods that have some decide alone.
  const enough = treat === 'missing' ? Math.min(needed, found.length) : needed;
  const state = breaches >= enough ? 'ALARM' : 'OK';
  return { state, reason: `Threshold Crossed: ${breaches} of the last ${count} datapoints were ${comparison} ${threshold}` };
}

function compare(value: number, comparison: string, threshold: number): boolean {
  switch (comparison) {
    case 'GreaterThanThreshold':
      return value > threshold;
    case 'GreaterThanOrEqualToThreshold':
      return value >= threshold;
    case 'LessThanThreshold':
      return value < threshold;
    case 'LessThanOrEqualToThreshold':
      return value <= threshold;
    default:
      throw new AwsError('ValidationError', `The sandbox does not serve the comparison ${comparison}`);
  }
}

function range(start: Date | undefined, end: Date | undefined): { from: number; to: number } {
  if (!start || !end) throw missing(start ? 'EndTime' : 'StartTime');
  if (start >= end) throw new AwsError('ValidationError', 'The parameter StartTime must be less than the parameter EndTime.');
  return { from: start.getTime(), to: end.getTime() };
}

function required(value: string | undefined, name: string): string {
  if (!value) throw missing(name);
  return value;
}

const missing = (name: string) => new AwsError('MissingParameter', `The parameter ${name} is required.`);
