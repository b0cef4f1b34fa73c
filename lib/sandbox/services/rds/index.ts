/** RDS for PostgreSQL, with a real PostgreSQL server behind every instance. */
import type { Sandbox, Service } from '../../service';
import { type Context, instanceOf } from './context';
import { Engine } from './engine';
import { instanceHandlers } from './instances';
import { startMetrics } from './metrics';
import { modifyHandlers } from './modify';
import { moreHandlers } from './more';
import { parameterGroupHandlers } from './parameter-groups';
import { recordsOf } from './records';
import { replicaHandlers } from './replicas';
import { snapshotHandlers } from './snapshots';
import { subnetGroupHandlers } from './subnet-groups';
import { Works } from './works';

export { removeDatabaseFiles } from './engine';
export { durations } from './works';

const contexts = new WeakMap<Sandbox, Context>();

export const rds = (sandbox: Sandbox): Service => {
  const records = recordsOf(sandbox);
  const engine = new Engine(sandbox, records);
  const works = new Works(sandbox, records, engine);
  const context: Context = { sandbox, records, engine, works, replicas: new Map() };
  contexts.set(sandbox, context);
  return {
    client: 'client-rds',
    handlers: {
      ...instanceHandlers(context),
      ...modifyHandlers(context),
      ...replicaHandlers(context),
      ...snapshotHandlers(context),
      ...parameterGroupHandlers(context),
      ...subnetGroupHandlers(context),
      ...moreHandlers(context),
    },
    start: async () => {
      await engine.startAll();
      works.resume();
      startMetrics(context);
    },
    stop: async () => {
      await works.stop();
      await engine.stopAll();
    },
  };
};

/**
 * A fault: kills every process of an instance's server at once, as a lost machine would.
 * @param recover RDS notices after a minute and starts it again; false: it stays down.
 */
export async function crashInstance(sandbox: Sandbox, instance: string, recover = true): Promise<void> {
  const context = contexts.get(sandbox);
  if (!context) throw new Error('this sandbox serves no RDS');
  await context.engine.crash(instanceOf(context, instance), recover);
}
