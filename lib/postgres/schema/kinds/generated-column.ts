/** A column that is generated now, or no longer. Generated values do not travel: each side computes its own, of the same columns by the same expression. */
import { type CatalogColumn, columnAt, sameColumn } from '../catalog';
import { lossy } from '../difference';
import { fitOf, knownType, plainType, unfilled } from './fit';
import type { ColumnChange, Kind } from './kind';
import { heldAs } from './names';

export const generatedColumn: Kind = {
  column(change) {
    const { column, other, plan, id, old, now, say } = change;
    if (!other) return undefined;
    if (column.generated !== '') {
      // its values may be NULL where those of production may.
      if (column.notNull && !other.notNull) plan.dropNotNull.push(column.name);
      if (other.generated === '') say(`${id}:not-generated`, 'carried', `${id} is no longer generated; the fallback computes its own`);
      return 'done';
    }
    if (other.generated === '') return undefined;
    const fit = fitOf(change, plan.old, column, other);
    if ((fit.is === 'fits' || (fit.is === 'widen' && !fit.back)) && isComputable(change, other)) {
      if (fit.is === 'widen') plan.widen.push({ column: column.name, type: fit.type, ...(fit.byText ? { byText: true } : {}) });
      if (column.notNull && !other.notNull) plan.dropNotNull.push(column.name);
      plan.fits.set(column, { was: plainType(old, column), is: plainType(now, other) });
      plan.assign.push({ column: heldAs(plan, column.name), expression: `(SELECT ${other.default} FROM (SELECT NEW.*) AS arriving)` });
      say(`${id}:generated`, 'bridged', `${id} is generated now; the fallback computes it by the same expression: ${other.default}`);
      return 'done';
    }
    say(
      `${id}:generated`,
      'declare',
      `${id} is generated now, and generated values do not travel`,
      `values of ${id} of rows written after opening`,
      unfilled({ old, now }, plan, column),
    );
    return 'done';
  },

  /** Under a column that gets wider, a cast to the narrower type refuses rows that production takes. */
  *refuses(change) {
    const { table, other } = change;
    for (const { number, from } of table.computed ?? []) {
      const column = columnAt(table, number);
      const now = sameColumn(column, table, other);
      if (now && now.generated !== '' && now.default === column.default) continue;
      const wider = from.flatMap((one) => {
        const of = columnAt(table, one);
        const is = sameColumn(of, table, other);
        return is &&
          fitOf(change, table, of, is).is === 'widen' &&
          /^(smallint|integer|numeric)/.test(of.type) &&
          column.default!.includes(`::${of.type}`)
          ? [{ of, is }]
          : [];
      });
      for (const { of, is } of wider)
        yield lossy(
          `${table.name}.${column.name}:cast`,
          `${table.name}.${of.name} becomes ${is.type}, and ${table.name}.${column.name} of the old schema is computed with a cast to ${of.type}: ${column.default}`,
          `rows whose ${of.name} is no ${of.type}: the first of them stops the feed`,
          `drop ${table.name}.${column.name} before the window, or keep it with its expression`,
        );
    }
  },
};

/** The columns of the expression are on the fallback under the same names, with the same values of the same types. */
function isComputable(change: ColumnChange, generated: CatalogColumn): boolean {
  const { plan, declared } = change;
  const { old, now } = plan;
  const from = now.computed?.find(({ number }) => number === generated.number)?.from;
  return (
    from?.every((number) => {
      const column = columnAt(now, number);
      const was = old.columns.find((one) => sameColumn(one, old, now) === column);
      if (!was) return !old.columns.some(({ name }) => name === column.name) && knownType(change, column) === column.type;
      const isAsked = declared.columns?.some((one) => one.table === old.name && one.column === was.name);
      if (isAsked || was.name !== column.name || was.generated !== '' || was.enum !== 0) return false;
      const fit = fitOf(change, old, was, column);
      return fit.is === 'widen' ? fit.type === column.type : was.type === column.type;
    }) ?? false
  );
}
