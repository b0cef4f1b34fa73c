/**
 * A domain that allows more, a composite type that has more parts. They become what they are in the new schema on the fallback for as long as
 * that is fed: so it is the same wherever such a value is, in an array, or within another type.
 */
import { ident, literal } from '../../connection/connect';
import { fittingName } from '../../connection/tables';
import type { Catalog, CatalogType } from '../catalog';
import type { Kind } from './kind';
import type { ChangedType } from './plan';
import { owner, type Part } from './statements';

export const changedTypes: Kind = {
  schema({ old, now, say }, plan) {
    for (const type of old.types ?? []) {
      const other = now.types.find(({ oid }) => oid === type.oid);
      if (!other) continue;
      const has = (rule: string): boolean => other.checks.some(({ definition }) => definition === rule);
      const checks = type.checks.filter(({ definition }) => !has(definition));
      const nullable = type.notNull && !other.notNull;
      const parts = addedParts(type, other);
      if (checks.length === 0 && !nullable && parts.length === 0) continue;
      const gone = [...(nullable ? ['NOT NULL'] : []), ...checks.map(({ name }) => name)];
      if (gone.length > 0)
        say(
          `${type.name}:domain`,
          'bridged',
          `${type.name} allows more (${gone.join(', ')}); on the fallback these rules are off until a rollback, and put back if the rows allow it`,
        );
      if (parts.length > 0)
        say(
          `${type.name}:type`,
          'bridged',
          `${type.name} has more parts (${parts.map(({ name }) => name).join(', ')}); the fallback keeps whole values beside those of the old release`,
        );
      plan.types.push({ name: type.name, checks, nullable, within: gone.length > 0 ? columnsWithin(old, type) : [], parts });
    }
  },

  /** Whole values, which a rollback would take their new parts from. */
  column({ column, other, plan, old, now }) {
    if (!other || column.of !== other.of || other.generated !== '') return undefined;
    if (!hasMoreParts(old, now, column.of)) return undefined;
    const name = fittingName('switchback_', column.name);
    plan.shadows.push({ name, type: 'text' });
    plan.assign.push({ column: name, expression: `NEW.${ident(other.name)}::text` });
    return undefined;
  },

  scriptOnce({ types }, part) {
    for (const type of types) {
      ofDomain(type, part);
      for (const { name, type: of } of type.parts) {
        part.fallback.push(owner(`ALTER TYPE ${type.name} ADD ATTRIBUTE ${ident(name)} ${of} CASCADE`));
        part.revert.push(owner(`ALTER TYPE ${type.name} DROP ATTRIBUTE ${ident(name)} CASCADE`));
      }
    }
  },
};

/** At its end; what else becomes of a composite type is refused (looks/values.ts). */
function addedParts(type: CatalogType, other: CatalogType): CatalogType['parts'] {
  const kept = type.parts.every(({ number, type: of }, at) => other.parts[at]?.number === number && other.parts[at].type === of);
  return kept ? other.parts.slice(type.parts.length) : [];
}

function hasMoreParts(old: Catalog, now: Catalog, oid: number): boolean {
  const [was, is] = [old, now].map(({ types }) => types?.find((type) => type.oid === oid));
  if (!was || !is) return false;
  return addedParts(was, is).length > 0 || [was.ofOid, ...was.parts.map((part) => part.oid)].some((inner) => hasMoreParts(old, now, inner));
}

/** Where it is not the type itself. */
function columnsWithin({ tables, types }: Catalog, domain: CatalogType): ChangedType['within'] {
  const holds = (oid: number): boolean => {
    const type = types.find((one) => one.oid === oid);
    return type !== undefined && [type.ofOid, ...type.parts.map((part) => part.oid)].some((inner) => inner === domain.oid || holds(inner));
  };
  return tables.flatMap((table) =>
    table.columns.filter(({ of }) => holds(of)).map(({ name, type }) => ({ table: table.name, column: name, type })),
  );
}

function ofDomain({ name, checks, nullable, within }: ChangedType, part: Part): void {
  const alter = (what: string) => `ALTER DOMAIN ${name} ${what}`;
  if (nullable) {
    part.fallback.push(owner(alter('DROP NOT NULL')));
    part.restore.push({ ...owner(alter('SET NOT NULL')), what: `${name} NOT NULL` });
  }
  for (const check of checks) {
    part.fallback.push(owner(alter(`DROP CONSTRAINT ${ident(check.name)}`)));
    const add = alter(`ADD CONSTRAINT ${ident(check.name)} ${check.definition}`);
    part.restore.push({ ...owner(within.length === 0 ? add : lookingWithin(add, within)), what: `${check.name} of ${name}` });
  }
}

/** PostgreSQL would refuse to look: it is not asked to, and each value is read again instead. */
function lookingWithin(add: string, within: ChangedType['within']): string {
  const read = within.map(
    ({ table, column, type }) => `EXECUTE ${literal(`SELECT count(${ident(column)}::text::${type}) FROM ${table}`)};`,
  );
  return `DO $back$ BEGIN ${add} NOT VALID; ${read.join(' ')} END $back$`;
}
