/** A column that has another type. */
import { ident } from '../../connection/connect';
import type { CatalogColumn, CatalogTable } from '../catalog';
import type { Widening } from '../types';
import { fitOf, plainType, unfilled } from './fit';
import type { ColumnChange, Kind } from './kind';

export const retypedColumn: Kind = {
  column(change) {
    const { column, other, plan, id, old, now, say } = change;
    if (!other) return undefined;
    const fit = fitOf(change, plan.old, column, other);
    const what = `${id} becomes ${other.type} (was ${column.type})`;
    if (fit.is === 'widen' || fit.is === 'fits') plan.fits.set(column, { was: plainType(old, column), is: plainType(now, other) });
    if (fit.is === 'widen') {
      widen(change, other, fit);
      return undefined;
    }
    if (fit.is === 'fits') {
      if (column.type !== other.type) say(`${id}:type`, 'carried', `${what}; its values fit`);
      return undefined;
    }
    const instead = unfilled({ old, now }, plan, column);
    if (fit.is === 'expression')
      say(`${id}:type`, 'declare', `${what}: ${fit.why}`, `values of ${id} of rows written after opening`, instead);
    else say(`${id}:type`, 'lossy', what, `${fit.what}; without a declared expression, ${id} of every row written after opening`, instead);
    return 'done';
  },
};

function widen(change: ColumnChange, other: CatalogColumn, { type, back, byText }: Widening): void {
  const { column, plan, id, say } = change;
  const was = `${column.type}${column.coarse === '' ? '' : ` COLLATE ${column.coarse}`}`;
  plan.widen.push({ column: column.name, type, ...(back ? { back: was } : {}), ...(byText ? { byText } : {}) });
  // values of one scale are written as the old release writes them.
  const scale = /^numeric\(\d+,(-?\d+)\)(\[\])?$/.exec(column.type);
  if (scale && type.replace('[]', '') === 'numeric' && /^numeric\(/.test(other.type))
    plan.assign.push({ column: other.name, expression: ofScale(`NEW.${ident(other.name)}`, `numeric(1000,${scale[1]})${scale[2] ?? ''}`) });
  const becomes =
    column.type === other.type ? `${id} tells values apart that were one (${was})` : `${id} becomes ${other.type} (was ${column.type})`;
  const until = back ? ' until a rollback, and gets its own type back if the rows allow it' : '';
  say(`${id}:widened`, 'bridged', `${becomes}; the fallback's column is ${type === other.type ? 'widened too' : type}${until}`);
  // a rule that tells fewer values apart would refuse rows, and its type could not come back.
  if (column.type === other.type || /citext/.test(column.type)) rulesOff(change, column);
}

const ofScale = (value: string, type: string): string => `CASE WHEN ${value} = ${value}::${type} THEN ${value}::${type} ELSE ${value} END`;

/** Unique rules that rows are not found by, and that nothing refers to. */
function rulesOff({ plan, old: { tables } }: ColumnChange, { number }: CatalogColumn): void {
  const { old } = plan;
  const isOurs = (columns: readonly number[]): boolean => columns.includes(number) || columns.includes(0);
  const isNeeded = (columns: readonly number[]): boolean => {
    const names = columns.map((one) => old.columns.find((column) => column.number === one)?.name);
    const refers = `REFERENCES ${old.schema}.${old.table}(${names.join(', ')})`;
    return (
      isKey(old, columns) ||
      tables.some(({ constraints }) => constraints.some(({ definition }) => definition.replaceAll('"', '').includes(refers)))
    );
  };
  for (const { name, type, definition, columns } of old.constraints)
    if (['u', 'x'].includes(type) && isOurs(columns) && !isNeeded(columns) && !plan.dropConstraints.some((one) => one.name === name))
      plan.dropConstraints.push({ name, definition });
  for (const { name, definition, columns, ofConstraint } of old.indexes)
    if (!ofConstraint && isOurs(columns) && !isNeeded(columns) && !plan.dropIndexes.some((one) => one.name === name))
      plan.dropIndexes.push({ name, definition });
}

const isKey = ({ identity, primaryKey }: CatalogTable, columns: readonly number[]): boolean =>
  [identity, primaryKey].some((key) => key.length > 0 && key.length === columns.length && key.every((number) => columns.includes(number)));
