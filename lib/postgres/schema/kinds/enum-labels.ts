/** Values of an enum that are new, or renamed. */
import { ident, literal } from '../../connection/connect';
import { type Catalog, type CatalogEnum, sameColumn } from '../catalog';
import { lossy } from '../difference';
import type { Kind } from './kind';
import { heldAs } from './names';
import type { AddedValue } from './plan';
import { owner } from './statements';

export const enumLabels: Kind = {
  schema({ old: { enums }, now: { enums: after }, say }, plan) {
    for (const old of enums) {
      const now = after.find(({ oid }) => oid === old.oid) ?? after.find(({ name }) => name === old.name);
      const add = (now?.labels ?? []).filter(({ label }) => !old.labels.some((known) => known.label === label)).map(({ label }) => label);
      if (now === undefined || add.length === 0) continue;
      const renamed = now.labels.filter(({ oid, label }) => old.labels.some((known) => known.oid === oid && known.label !== label));
      const added = add.filter((label) => !renamed.some((known) => known.label === label));
      if (renamed.length > 0)
        say(
          `${old.name}:renamed-values`,
          'bridged',
          `values of ${old.name} are renamed: ${renamed.map(({ label }) => label).join(', ')}; they arrive under their old names`,
        );
      if (added.length > 0)
        say(
          `${old.name}:new-values`,
          'bridged',
          `values are added to ${old.name}: ${added.join(', ')}; the fallback gets them too, and the old release meets values it does not know`,
        );
      plan.enums.push({ name: old.name, add: add.map((label) => placed(label, old, now)) });
    }
  },

  column({ column, other, plan, old, now }) {
    if (!other) return undefined;
    const [was, is] = [old.enums.find(({ oid }) => oid === column.enum), now.enums.find(({ oid }) => oid === other.enum)];
    if (!was || !is) return undefined;
    const renamed = renamedLabels(was, is);
    if (renamed.length === 0) return undefined;
    const cases = renamed.map(({ from, to }) => `WHEN ${literal(to)} THEN ${literal(from)}`).join(' ');
    const value = `NEW.${ident(other.name)}`;
    plan.assign.push({
      column: heldAs(plan, column.name),
      expression: `(CASE ${value}::text ${cases} ELSE ${value}::text END)::${column.type}`,
    });
    return undefined;
  },

  /** A value that is renamed arrives under its new name where the enum is only a part of the column's type, or tells rows apart. */
  *refuses({ table, other, old, now }) {
    for (const column of table.columns)
      for (const { oid, name, labels } of renamedEnums(old, now)) {
        const isKey = oid === column.enum && table.identity.includes(column.number);
        if (!isKey && column.type !== `${name}[]`) continue;
        if (!sameColumn(column, table, other)) continue;
        yield lossy(
          `${table.name}.${column.name}:renamed-values`,
          `${table.name}.${column.name} (${column.type}) has renamed values: ${labels.join(', ')} before`,
          isKey
            ? `updates and deletes of rows with them: they are found by that column`
            : `the old names of ${table.name}.${column.name} in rows written after opening`,
        );
      }
  },

  alone: ({ enums }) =>
    enums.flatMap(({ name, add }) =>
      add.map(({ label, before }) =>
        owner(`ALTER TYPE ${name} ADD VALUE IF NOT EXISTS ${literal(label)}${before === undefined ? '' : ` BEFORE ${literal(before)}`}`),
      ),
    ),
};

function placed(label: string, old: CatalogEnum, now: CatalogEnum): AddedValue {
  for (const next of now.labels.slice(now.labels.findIndex((one) => one.label === label) + 1)) {
    const before = old.labels.find((one) => one.oid === next.oid || one.label === next.label);
    if (before) return { label, before: before.label };
  }
  return { label };
}

/** In the order of the new values. */
const renamedLabels = (old: CatalogEnum, now: CatalogEnum): { from: string; to: string }[] =>
  now.labels.flatMap(({ oid, label }) => {
    const before = old.labels.find((known) => known.oid === oid);
    return before && before.label !== label ? [{ from: before.label, to: label }] : [];
  });

const renamedEnums = (old: Catalog, now: Catalog): { oid: number; name: string; labels: string[] }[] =>
  old.enums.flatMap(({ oid, name, labels }) => {
    const is = now.enums.find((one) => one.oid === oid);
    const before = labels.filter((one) => is?.labels.some((other) => other.oid === one.oid && other.label !== one.label));
    return before.length > 0 ? [{ oid, name, labels: before.map(({ label }) => label) }] : [];
  });
