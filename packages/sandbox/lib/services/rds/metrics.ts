/**
 * What RDS does inside an instance by itself: a heartbeat and a new WAL segment every five minutes on every primary,
 * and a look at every replica each minute, published as ReplicaLag.
 */
import type { Context } from './context';
import type { Instance } from './records';

/** AWS seconds. */
const segmentSeconds = 300;
const lagSeconds = 60;

export function startMetrics(context: Context): void {
  const { sandbox, records, engine } = context;
  const running = () => records.instances.values().filter((instance) => instance.shown && engine.running(instance));
  // a segment is 4 MB on disk and on its way to each replica: not oftener than a laptop can take, however fast the clock.
  sandbox.every(Math.max(segmentSeconds, sandbox.speed), () =>
    each(
      context,
      running().filter(({ source }) => source === undefined),
      async (instance) => {
        const server = engine.server(instance);
        await server.query('UPDATE rds_heartbeat2 SET value = $1 WHERE id = 1', [Date.now()], 'rdsadmin');
        await server.query('SELECT pg_switch_wal()');
      },
    ),
  );
  sandbox.every(Math.max(lagSeconds, sandbox.speed / 5), () =>
    each(
      context,
      running().filter(({ source }) => source !== undefined),
      (instance) => publishLag(context, instance),
    ),
  );
}

async function publishLag(context: Context, instance: Instance): Promise<void> {
  const [row] = await context.engine.server(instance).query<{ lag: number | null; streaming: boolean }>(
    `SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 AS lag,
            EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming') AS streaming`,
  );
  context.replicas.set(instance.resourceId, row?.streaming === true);
  // nothing replayed since its start, or promoted meanwhile: there is no lag to tell.
  if (row?.lag === null || row?.lag === undefined) return;
  await context.sandbox.call('cloudwatch', 'PutMetricData', {
    Namespace: 'AWS/RDS',
    MetricData: [
      {
        MetricName: 'ReplicaLag',
        Dimensions: [{ Name: 'DBInstanceIdentifier', Value: instance.id }],
        Timestamp: new Date(),
        Value: row.lag,
        Unit: 'Seconds',
      },
    ],
  });
}

/** One after the other; an instance that goes away meanwhile is a line in the log. */
async function each(context: Context, instances: readonly Instance[], action: (instance: Instance) => Promise<void>): Promise<void> {
  for (const instance of instances) {
    await action(instance).catch((error: unknown) => {
      if (context.engine.running(instance)) context.sandbox.log(`rds: ${instance.id}: ${(error as Error).message}`);
    });
  }
}
