/** A column of the old schema that a declared expression computes from the new row. */
import { ident } from '../../connection/connect';
import { ownSchema } from '../../connection/server';
import { fittingName } from '../../connection/tables';
import { type CatalogColumn, sameColumn } from '../catalog';
import { fitOf, knownType } from './fit';
import type { ColumnChange, Kind, TableChange } from './kind';
import { heldAs } from './names';
import { master, owner } from './statements';

export const declaredColumns: Kind = {
  column(change) {
    const { column, other, from, id, say } = change;
    if (from === undefined || (other && column.generated !== '')) return undefined;
    if (!other) {
      fromNew(change, from);
      say(`${id}:dropped`, 'bridged', `${id} is dropped; the declared expression computes it`);
    } else if (other.generated !== '') {
      fromNew(change, from);
      say(`${id}:generated`, 'bridged', `${id} is generated now, and generated values do not travel`);
    } else computed(change, other, from);
    return 'done';
  },

  /** Columns for values that production has to compute. */
  script({ old, now, sent }, part) {
    if (sent.length === 0) return;
    const name = `switchback_sent_${old.oid}`;
    const body = sent.map(
      ({ name: column, expression }) =>
        `BEGIN NEW.${ident(column)} := ${expression}; EXCEPTION WHEN others THEN NEW.${ident(column)} := NULL; END;`,
    );
    part.production.push(
      ...sent.map(({ name: column, type }) => owner(`ALTER TABLE ${now.name} ADD COLUMN IF NOT EXISTS ${ident(column)} ${type}`)),
      // A value that the old schema cannot hold must never stop a customer's write.
      master(
        `CREATE OR REPLACE FUNCTION ${ownSchema}.${name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $bridge$ BEGIN\n${body.join('\n')}\nRETURN NEW;\nEND $bridge$`,
      ),
      master(
        `CREATE OR REPLACE TRIGGER zz_${name} BEFORE INSERT OR UPDATE ON ${now.name} FOR EACH ROW EXECUTE FUNCTION ${ownSchema}.${name}()`,
      ),
      // also for the writes of a session that has the user's triggers silenced.
      owner(`ALTER TABLE ${now.name} ENABLE ALWAYS TRIGGER zz_${name}`),
    );
    part.productionRevert.push(
      master(`DROP TRIGGER IF EXISTS zz_${name} ON ${now.name}`),
      master(`DROP FUNCTION IF EXISTS ${ownSchema}.${name}()`),
      ...sent.map(({ name: column }) => owner(`ALTER TABLE ${now.name} DROP COLUMN IF EXISTS ${ident(column)}`)),
    );
  },
};

/** The old value is what was declared. */
function computed(change: ColumnChange, now: CatalogColumn, from: string): void {
  const { column: old, id, plan, say } = change;
  const renamed = old.name !== now.name && heldAs(plan, old.name) !== now.name;
  const fit = fitOf(change, plan.old, old, now);
  const arrives = fit.is === 'widen' ? fit.type === now.type : old.type === now.type;
  if (renamed) {
    plan.shadows.push({ name: now.name, type: knownType(change, now), ...(old.type === now.type ? { from: old.name } : {}) });
    plan.published?.push(now.name);
  } else if (fit.is === 'widen') plan.widen.push({ column: old.name, type: fit.type });
  // a large value that an update leaves alone is not sent, and would be taken for its own result.
  const here = (renamed || (arrives && !old.aside && !now.aside) || isOfKey(change, old)) && everyNamedColumnIsNew(change, from);
  if (here) {
    plan.assign.push({ column: heldAs(plan, old.name), expression: from });
    if (!renamed) plan.published?.push(now.name);
  } else onProduction(change, from);
  const words = {
    renamed: `${id} is renamed to ${now.name}; the declared expression computes it`,
    type: `${id} becomes ${now.type} (was ${old.type}); the declared expression computes the old value`,
    meaning: `${id} is computed by the declared expression`,
  };
  const kind = old.type !== now.type ? 'type' : old.name !== now.name ? 'renamed' : 'meaning';
  say(`${id}:${kind}`, 'bridged', words[kind]);
}

function fromNew(change: ColumnChange, from: string): void {
  if (everyNamedColumnIsNew(change, from)) change.plan.assign.push({ column: heldAs(change.plan, change.column.name), expression: from });
  else onProduction(change, from);
}

/** Production computes it, where `NEW` is a row of the new schema. */
function onProduction({ plan, column }: ColumnChange, from: string): void {
  const name = fittingName('switchback_', column.name);
  plan.sent.push({ name, type: column.type, expression: from });
  plan.shadows.push({ name, type: column.type });
  plan.assign.push({ column: heldAs(plan, column.name), expression: `NEW.${ident(name)}` });
  plan.published?.push(name);
}

const isOfKey = ({ plan }: TableChange, { number }: CatalogColumn): boolean => plan.old.identity.includes(number);

/** On the fallback, every column that the expression names has the type of the new schema, and its value also where an update does not send it. */
function everyNamedColumnIsNew(change: TableChange, from: string): boolean {
  const named = [...from.matchAll(/\bNEW\s*\.\s*(?:"((?:[^"]|"")+)"|(\w+))/gi)].map(
    ([, exact, plain]) => exact?.replaceAll('""', '"') ?? plain!.toLowerCase(),
  );
  if (named.length !== [...from.matchAll(/\bNEW\b/gi)].length) return false;
  return named.every((name) => {
    const column = change.plan.now.columns.find((one) => one.name === name);
    return column !== undefined && typeOnFallback(change, column) === column.type;
  });
}

function typeOnFallback(change: TableChange, column: CatalogColumn): string | undefined {
  const {
    plan: { old: table, now, held },
    declared,
  } = change;
  if (column.generated !== '') return undefined;
  const old = table.columns.find((one) => sameColumn(one, table, now) === column);
  // what the migration put into it is not there.
  if (old === undefined) return column.aside ? undefined : knownType(change, column);
  if (old.generated !== '') return undefined;
  const fit = fitOf(change, table, old, column);
  if (declared.columns?.some((one) => one.table === table.name && one.column === old.name)) {
    if ((column.aside || old.aside) && !isOfKey(change, old)) return undefined;
    if (old.name !== column.name && heldAs({ held }, old.name) !== column.name) return knownType(change, column);
    return fit.is === 'widen' ? fit.type : old.type === column.type ? column.type : undefined;
  }
  return fit.is === 'widen' ? fit.type : fit.is === 'fits' ? old.type : undefined;
}
