/** What a bad night does to databases and to what flows between them (docs/sandbox/faults.md). */
import type { Service } from '../../service';
import { type Context, instanceOf } from './context';
import type { Instance } from './records';

/** What sends or takes in changes: physical replication as well as a feed. The launcher does neither. */
const replication =
  "backend_type IN ('walsender', 'walreceiver') OR (backend_type LIKE 'logical replication%' AND backend_type <> 'logical replication launcher')";

export function strikesOf(context: Context): Pick<Service, 'strikes' | 'calm'> {
  const { engine, records, sandbox } = context;
  const of = (target: string): Instance => instanceOf(context, target);
  return {
    strikes: {
      /** As when the machine is lost; RDS notices and starts it again. */
      async crash(target) {
        await engine.crash(of(target), true);
        return `the server of ${target} was killed; RDS starts it again`;
      },
      async down(target) {
        await engine.crash(of(target), false);
        return `the server of ${target} was killed; it stays down until it is rebooted`;
      },
      /** Sessions end, nothing needs recovery. */
      async restart(target) {
        await engine.restart(of(target));
        return `the server of ${target} was restarted`;
      },
      async stall(target, seconds) {
        const instance = of(target);
        const pids = await engine.freeze(instance, replication);
        sandbox.after(seconds, () => engine.thaw(instance));
        return `the replication of ${target} stands still for ${seconds} s (${pids.length} processes)`;
      },
      async slot(target) {
        const lost = await engine.outrunSlots(of(target));
        return `${target} gave up its slots: ${lost.join(', ') || 'it has none'}`;
      },
    },
    calm() {
      for (const instance of records.instances.values()) engine.thaw(instance);
    },
  };
}
