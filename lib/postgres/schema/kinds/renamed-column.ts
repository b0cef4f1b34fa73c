/** A column that has another name: the fallback keeps both, the new one for rows that arrive. */
import { ident, literal } from '../../connection/connect';
import { fitOf } from './fit';
import type { Kind } from './kind';
import { heldAs } from './names';
import { master } from './statements';

export const renamedColumn: Kind = {
  column(change) {
    const { column, other, plan, id, say } = change;
    if (!other || column.name === other.name) return undefined;
    // where a name is another column's now, the column itself has the new one meanwhile.
    if (heldAs(plan, column.name) === other.name) {
      say(
        `${id}:renamed`,
        'bridged',
        `${id} is renamed to ${other.name}; on the fallback it goes by that name until a rollback, and who reads it there meanwhile finds it so`,
      );
      return undefined;
    }
    const fit = fitOf(change, plan.old, column, other);
    const type = fit.is === 'widen' ? fit.type : column.type;
    plan.shadows.push({ name: other.name, type, from: column.name });
    const made = plan.assign.find((assign) => assign.column === other.name)?.expression;
    plan.assign.push({ column: heldAs(plan, column.name), expression: made ?? `NEW.${ident(other.name)}` });
    say(`${id}:renamed`, 'bridged', `${id} is renamed to ${other.name}; the fallback keeps both`);
    return undefined;
  },

  /**
   * The new one starts with the values of the old one, where an update could leave it out (large values that did not change are not sent) or
   * where rows are found by it. The user's triggers stay silent: nothing has happened.
   */
  script({ now, shadows, old, identity: key }, part) {
    const seeded = shadows.filter(
      ({ name, from }) => from !== undefined && (key?.includes(name) || old.columns.find((column) => column.name === from)?.aside),
    );
    if (seeded.length === 0) return;
    const alter = literal(`ALTER TABLE ${now.name.replaceAll('%', '%%')} %s TRIGGER %I`);
    part.fallback.push(
      master(
        `DO $seed$ DECLARE t record; quiet jsonb := '[]'; BEGIN
         SET CONSTRAINTS ALL IMMEDIATE;
         FOR t IN SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = ${literal(now.name)}::regclass AND NOT tgisinternal AND tgenabled IN ('O','A') LOOP
           quiet := quiet || jsonb_build_object('name', t.tgname, 'mode', CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END);
           EXECUTE format(${alter}, 'DISABLE', t.tgname);
         END LOOP;
         UPDATE ${now.name} SET ${seeded.map(({ name, from }) => `${ident(name)} = ${ident(from!)}`).join(', ')};
         FOR t IN SELECT q->>'name' AS name, q->>'mode' AS mode FROM jsonb_array_elements(quiet) q LOOP EXECUTE format(${alter}, t.mode, t.name); END LOOP;
       END $seed$`,
      ),
    );
  },
};
