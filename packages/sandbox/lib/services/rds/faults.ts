/** Faults of databases and to what flows between them (docs/sandbox/faults.md). */
import { waitFor } from '../../postgres/process';
import type { PostgresServer } from '../../postgres/server';
import type { Service } from '../../service';
import { type Context, instanceOf } from './context';
import type { Instance } from './records';

export function faultsOf(context: Context): Pick<Service, 'faults' | 'clear'> {
  const { engine, records, sandbox } = context;
  const of = (target: string): Instance => instanceOf(context, target);
  return {
    faults: {
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
        const server = engine.server(of(target));
        const count = await stall(server);
        sandbox.after(seconds, () => server.thaw());
        return `the replication of ${target} stands still for ${seconds} s (${count} processes)`;
      },
      async slot(target) {
        const lost = await outrunSlots(engine.server(of(target)));
        return `${target} gave up its slots: ${lost.join(', ') || 'it has none'}`;
      },
    },
    clear() {
      for (const instance of records.instances.values()) engine.server(instance).thaw();
    },
  };
}

/** What sends or takes in changes: physical replication as well as a feed. The launcher does neither. */
const replication =
  "(backend_type IN ('walsender', 'walreceiver') OR (backend_type LIKE 'logical replication%' AND backend_type <> 'logical replication launcher'))";

/** Answers how many processes stand still. */
function stall(server: PostgresServer): Promise<number> {
  // one connection for all looks: those of many would be among the processes that are looked for.
  return server.connect('postgres', async (client) => {
    const { rows } = await client.query<{ pid: number }>(`SELECT pid FROM pg_stat_activity WHERE ${replication}`);
    const waiting = `SELECT FROM pg_stat_activity WHERE pid = $1 AND ${replication} AND wait_event_type IN ('Activity', 'Client')`;
    for (const { pid } of rows) await server.freeze(pid, async () => (await client.query(waiting, [pid])).rows.length > 0);
    return rows.length;
  });
}

/** The server writes more than it keeps for its logical slots, until it has given them up. Answers their names. */
async function outrunSlots(server: PostgresServer): Promise<string[]> {
  const before = server.settings;
  // as far as they go: one segment is kept, and nothing beside.
  server.settings = { ...before, max_slot_wal_keep_size: '1MB', wal_keep_size: 0 };
  server.reload();
  const slots = async (condition: string): Promise<string[]> =>
    (await server.query<{ name: string }>(`SELECT slot_name AS name FROM pg_replication_slots WHERE ${condition}`)).map(({ name }) => name);
  const givenUp = async (): Promise<boolean> => {
    // who reads from them must be behind.
    await server.query("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_type = 'logical' AND active");
    for (let segment = 0; segment < 3; segment += 1)
      await server.query("SELECT pg_logical_emit_message(false, 'switchback', repeat('x', 1000)), pg_switch_wal()");
    // a replica that keeps up is not to lose its slot with them.
    await waitFor(async () => (await slots("slot_type = 'physical' AND active AND restart_lsn < pg_current_wal_lsn()")).length === 0, 2000);
    await server.query('CHECKPOINT');
    return (await slots("slot_type = 'logical' AND wal_status <> 'lost'")).length === 0;
  };
  try {
    if (!(await waitFor(givenUp, 30_000))) throw new Error(`the server in ${server.folder} still keeps WAL for its slots after 30 s`);
  } finally {
    server.settings = before;
    server.reload();
  }
  return slots("slot_type = 'logical'");
}
