/** Partitions that come and go, in the migrations or in the hold. */
import { integer } from '../domains';
import type { Draft } from '../draft';
import { deleteRow, identity, nameOf, type Part, type Row, rowsOf, type Table } from '../world';
import type { Kind } from './kind';

const size = 100_000;

function parted(draft: Draft): Table {
  const table = draft.table({ key: integer, partitioned: true });
  table.busy = true;
  table.finder.busy = true;
  for (const n of [0, 1]) draft.part(table, n * size, (n + 1) * size);
  return table;
}

const boundsOf = ({ low, high }: Part): string => `FOR VALUES FROM (${low}) TO (${high})`;
const inPart = (table: Table, { low, high }: Part): Row[] =>
  rowsOf(table, 'now').filter((row) => {
    const key = Number(row.now.get(table.finder));
    return key >= low && key < high;
  });

export const partKinds: readonly Kind[] = [
  {
    name: 'partition added',
    plant(draft) {
      const table = parted(draft);
      const part = draft.part(table, 2 * size, 3 * size, { later: true });
      draft.change([table], (m) => {
        m.sql(`CREATE TABLE public.${identity(part.name)} PARTITION OF ${nameOf(table, 'now')} ${boundsOf(part)}`);
        part.inNow = true;
      });
    },
  },
  {
    name: 'partition attached',
    plant(draft) {
      const table = parted(draft);
      const part = draft.part(table, 2 * size, 3 * size, { later: true });
      draft.change([table], (m) => {
        m.sql(`CREATE TABLE public.${identity(part.name)} (LIKE ${nameOf(table, 'now')} INCLUDING ALL)`);
        m.alter(table, `ATTACH PARTITION public.${identity(part.name)} ${boundsOf(part)}`);
        part.inNow = true;
      });
    },
  },
  {
    name: 'partition detached',
    plant(draft) {
      const table = parted(draft);
      const part = table.parts[1]!;
      draft.change([table], (m) => {
        m.alter(table, `DETACH PARTITION public.${identity(part.name)}`);
        part.inNow = false;
        // they are no rows of the table any more, and the old release has them as they are.
        for (const row of inPart(table, part)) row.inNow = false;
      });
    },
  },
  {
    name: 'partition made in the hold',
    plant(draft) {
      const table = parted(draft);
      const name = `${table.id}_made_later`;
      draft.special('dba', [table], (say, insert) => {
        const form = nameOf(table, 'now');
        say(`CREATE TABLE public.${name} PARTITION OF ${form} FOR VALUES FROM (${5 * size}) TO (${6 * size})`);
        say(`ALTER TABLE public.${name} OWNER TO video_owner`);
        insert(table, `${5 * size + 7}`);
        insert(table, `${5 * size + 8}`);
      });
    },
  },
  {
    name: 'partition truncated',
    plant(draft) {
      const table = parted(draft);
      const part = table.parts[0]!;
      draft.special('new', [table], (say) => {
        say(`TRUNCATE public.${identity(part.name)}`);
        for (const row of inPart(table, part)) deleteRow(table, row, 'new');
      });
    },
  },
];
