/** Tables that come, go or are called otherwise. */
import { common, keys } from '../domains';
import { columnsOf, type Face, identity } from '../world';
import type { Kind } from './kind';

/** CREATE TABLE in the new schema, of columns that only it has. */
export function createSql(faces: readonly Face[], more = ''): (name: string) => string {
  return (name) => {
    const lines = faces.map((face) => `${identity(face.name)} ${face.domain.sql}${face.notNull ? ' NOT NULL' : ''}`);
    return `CREATE TABLE ${name} (${[...lines, `PRIMARY KEY (${identity(faces[0]!.name)})`].join(', ')}${more})`;
  };
}

export const tableKinds: readonly Kind[] = [
  {
    name: 'table added',
    plant(draft) {
      const { random } = draft;
      const table = draft.table({ later: true, plain: 0 });
      const [name] = [draft.name(['brand_new', 'profiles', 'Settings'])];
      const plain = common.filter(({ extension }) => !extension);
      const faces: Face[] = [{ name: 'id', domain: random.pick(keys), notNull: true, unique: true }];
      for (let n = random.between(1, 3); n > 0; n -= 1)
        faces.push({ name: `c${n}`, domain: random.pick(plain), notNull: random.chance(0.4) });
      for (const face of faces.slice(1)) draft.column(table, face.domain, { later: true, name: face.name });
      draft.change([table], (m) => {
        m.create(table, name, createSql(faces));
        table.columns.forEach((column, index) => {
          column.now = { ...faces[index]! };
        });
      });
    },
  },
  {
    name: 'table renamed',
    plant(draft) {
      const table = draft.anyTable();
      table.busy = true;
      const name = draft.name(['renamed', 'New Name', 'accounts', 'table']);
      draft.change([table], (m) => {
        m.alter(table, `RENAME TO ${identity(name)}`);
        table.now = name;
      });
    },
  },
  {
    name: 'table dropped',
    plant(draft) {
      const table = draft.table();
      table.busy = true;
      draft.change([table], (m) => {
        m.accept(table, ':dropped');
        m.sql(`DROP TABLE public.${identity(table.now!)}`);
        table.now = undefined;
        for (const row of table.rows) row.inNow = false;
        for (const column of columnsOf(table, 'now')) column.now = undefined;
      });
    },
  },
];
