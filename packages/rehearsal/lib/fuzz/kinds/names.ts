/** Names that were another's. */
import { bigint, integer, text } from '../domains';
import type { Kind } from './kind';

export const nameKinds: readonly Kind[] = [
  {
    name: 'columns swapped',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const [one, two] = [0, 1].map(() => draft.column(table, integer, { busy: true, name: draft.freshName() })) as [
        ReturnType<typeof draft.column>,
        ReturnType<typeof draft.column>,
      ];
      draft.change([table, one, two], (m) => {
        const [a, b] = [one.now!.name, two.now!.name];
        m.rename(table, one, 'between_two');
        m.rename(table, two, a);
        m.rename(table, one, b);
      });
    },
  },
  {
    name: 'name taken over',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const small = draft.random.chance(0.5) ? integer : text;
      const gone = draft.column(table, small, { busy: true, name: draft.freshName() });
      const stays = draft.column(table, small === integer ? bigint : text, { busy: true, name: draft.freshName() });
      draft.change([table, gone, stays], (m) => {
        const { name } = gone.now!;
        m.accept(table, `.${name}:dropped`);
        m.drop(table, gone);
        m.rename(table, stays, name);
      });
    },
  },
  {
    name: 'long names',
    plant(draft) {
      const table = draft.anyTable(({ key }) => key.length > 0);
      const name = 'x'.repeat(55);
      const two = ['one', 'two'].map((end) => ({
        face: { name: `${name}_${end}`, domain: integer, notNull: false },
        column: draft.column(table, integer, { later: true, busy: true }),
      }));
      if (table.columns.some((column) => column.old?.name.startsWith(name))) return;
      draft.change([table, ...two.map(({ column }) => column)], (m) => {
        for (const { face, column } of two) m.add(table, column, face, null);
      });
    },
  },
];
