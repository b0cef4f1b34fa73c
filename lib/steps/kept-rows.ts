/** At a rollback: what the migrations deleted, and the team has declared to be kept, is there again before the old release writes. */
import { colorPart } from '../engine/context';
import { done, type Step, todo } from '../engine/step';
import { deletedRows, putBack } from '../postgres/verification/kept-rows';
import type { World } from './world';

/** Nothing where nothing is declared to be kept. After the moment of the comparison: the former production does not have these rows. */
export function keptRowsBack(fallback: string, { manifest, window }: Pick<World, 'manifest' | 'window'>): Step[] {
  const { deleted = {} } = colorPart(manifest, window.to).migration.bridges ?? {};
  if (!Object.values(deleted).includes('keep')) return [];
  return [
    {
      id: 'deleted.back',
      title: `Put back on ${fallback} the rows that the migrations deleted`,
      estimateSeconds: 1,
      patienceSeconds: 600,
      async observe(context) {
        const kept = (await deletedRows(await context.database(fallback), context.window.name)).filter(({ fate }) => fate === 'keep');
        const left = kept.filter(({ back }) => back === null);
        if (left.length > 0) return todo(left.map(({ name, rows }) => `${name}: ${rows} rows`).join(', '));
        return done(
          kept.length === 0 ? 'there are none' : kept.map(({ name, rows, back }) => `${name}: ${back} of ${rows} rows`).join(', '),
        );
      },
      async act(context) {
        await putBack(await context.database(fallback), context.window.name);
      },
    },
  ];
}
