/** What rows of a table of the new schema do to the old one, as declared. */
import { probe } from '../../replication/marker';
import type { CatalogTable } from '../catalog';
import { fill } from './fit';
import type { Kind } from './kind';
import type { BridgePlan } from './plan';
import { type Part, trigger } from './statements';

export const declaredRows: Kind = {
  schema({ old, now, declared }, plan) {
    for (const { of, run, onDelete, sets } of declared.rows ?? []) {
      for (const set of sets ?? []) {
        const table = old.tables.find(({ name }) => name === set.table);
        if (!table?.columns.some(({ name }) => name === set.column))
          throw new Error(`a bridge is declared to set '${set.table}.${set.column}', which is no column before the migrations`);
      }
      const table = now.tables.find(({ name }) => name === of);
      if (!table) throw new Error(`a bridge is declared for the rows of '${of}', which is no table after the migrations`);
      plan.rows.push({ of: table, run, onDelete });
    }
  },

  /** One that is dropped, and that they keep. */
  column({ column, other, plan, id, old, now, declared, say }) {
    if (other) return undefined;
    const set = declared.rows?.find(({ sets }) => sets?.some((one) => one.table === plan.old.name && one.column === column.name));
    if (!set || (column.notNull && column.default === null && fill({ old, now }, plan, column) === undefined)) return undefined;
    say(`${id}:dropped`, 'bridged', `${id} is dropped; the rows of ${set.of} set it, as declared`);
    return 'done';
  },

  script: ({ now }, part, bridge) => triggers(now, part, bridge),
  scriptOfNew: triggers,
};

function triggers(table: CatalogTable, part: Part, bridge: BridgePlan): void {
  bridge.rows
    .filter(({ of }) => of === table)
    .forEach(({ run, onDelete }, index) => {
      trigger(part, table.name, `switchback_rows_${table.oid}_${index}`, 'AFTER', `${takenBackInProbe(run)}\nRETURN NULL;`);
      if (onDelete)
        trigger(
          part,
          table.name,
          `switchback_gone_${table.oid}_${index}`,
          'AFTER',
          `${takenBackInProbe(onDelete)}\nRETURN NULL;`,
          'DELETE',
        );
    });
}

/** For a row that only tries the way (round-trip.ts), what it does to other tables is done and taken back. */
function takenBackInProbe(run: string): string {
  const body = `${run.replace(/;\s*$/, '')};`;
  return `IF ${probe.isOn} THEN BEGIN\n${body}\nRAISE EXCEPTION 'taken back' USING ERRCODE = 'SB002'; EXCEPTION WHEN SQLSTATE 'SB002' THEN NULL; END;\nELSE\n${body}\nEND IF;`;
}
