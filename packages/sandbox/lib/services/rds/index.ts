/** RDS for PostgreSQL, with a real PostgreSQL server behind every instance. */
import type { Sandbox, Service } from '../../service';
import type { Context } from './context';
import { describeHandlers } from './describe';
import { Engine } from './engine';
import { faultsOf } from './faults';
import { instanceHandlers } from './instances';
import { startMetrics } from './metrics';
import { modifyHandlers } from './modify';
import { parameterGroupHandlers } from './parameter-groups';
import { recordsOf } from './records';
import { replicaHandlers } from './replicas';
import { snapshotHandlers } from './snapshots';
import { subnetGroupHandlers } from './subnet-groups';
import { Workflows } from './workflows';

export { removeDatabaseFiles } from './engine';
export { durations } from './workflows';

export const rds = (sandbox: Sandbox): Service => {
  const records = recordsOf(sandbox);
  const engine = new Engine(sandbox, records);
  const workflows = new Workflows(sandbox, records, engine);
  const context: Context = { sandbox, records, engine, workflows, replicas: new Map() };
  return {
    client: 'client-rds',
    handlers: {
      ...instanceHandlers(context),
      ...modifyHandlers(context),
      ...replicaHandlers(context),
      ...snapshotHandlers(context),
      ...parameterGroupHandlers(context),
      ...subnetGroupHandlers(context),
      ...describeHandlers(context),
    },
    start: async () => {
      await engine.startAll();
      workflows.resume();
      startMetrics(context);
    },
    stop: async () => {
      await workflows.stop();
      await engine.stopAll();
    },
    ...faultsOf(context),
  };
};
