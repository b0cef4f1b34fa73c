/** Whether anybody wrote to the fenced production after the last marker: no grant binds the master user, a superuser, or a role lent by one. */
import type { Context } from '../engine/context';
import type { Finding } from '../engine/events';
import { done, type Step, todo } from '../engine/step';
import { acceptCommand, findingWords, openFindings } from '../engine/verdict';
import { tracesSince } from '../postgres/access/tripwire';
import { feedName } from '../postgres/replication/subscription';
import { unsentChanges } from '../postgres/replication/unsent';
import { type Baseline, changesSince } from '../postgres/verification/change-counts';

/** The numbers of the markers that have brought everything, as the step of the feed left them. */
const markers = ({ view }: Pick<Context, 'view'>): readonly string[] =>
  (view.facts('feed.drained')?.['numbers'] as string[] | undefined) ?? [];

/** Where rows that are fed were written, or where that cannot be told; undefined where none were. */
export async function writtenBehind(context: Context, production: string): Promise<Finding | undefined> {
  const ours = markers(context);
  if (ours.length === 0) return undefined;
  const db = await context.database(production);
  const traces = await tracesSince(db, ours);
  if (traces.length === 0) return undefined;
  const name = feedName(context.window.name);
  const changes = await unsentChanges(db, name, ours);
  const who = `${traces.length} transaction(s) of somebody else since the last marker (the first is ${traces[0]!.number})`;
  if (changes === undefined)
    return {
      ...{ id: 'written-behind:untold', is: 'unproven' },
      what: `whether ${who} wrote to ${production} cannot be told: its slot cannot be read`,
    };
  if (changes.length === 0) return undefined;
  const rows = changes.reduce((sum, change) => sum + change.rows, 0);
  const last = changes
    .map((change) => BigInt(change.last))
    .sort((a, b) => (a < b ? -1 : 1))
    .at(-1)!;
  return {
    // more that is written later is another finding, which nobody has accepted.
    ...{ id: `written-behind:${last}`, is: 'written', rows },
    what: `${who} changed ${rows} row(s) on ${production} behind the fence, which are not on the fallback (${changes.map((change) => `${change.table}: ${change.rows}`).join(', ')}); find them: SELECT * FROM pg_logical_slot_peek_binary_changes('${name}', NULL, NULL, 'proto_version', '1', 'publication_names', '${name}')`,
  };
}

/** The same without the slot, from PostgreSQL's own statistics since the proof. */
async function counted(context: Context, production: string, baseline: Baseline): Promise<Finding | undefined> {
  const changes = await changesSince(await context.database(production), baseline);
  if (changes.length === 0) return undefined;
  const rows = changes.reduce((sum, { inserted, updated, deleted }) => sum + inserted + updated + deleted, 0);
  const words = changes.map(({ table, inserted, updated, deleted, incomplete }) =>
    incomplete === undefined ? `${table}: ${inserted + updated + deleted}` : `${table}: ${incomplete}`,
  );
  return {
    ...{ id: `written-behind:${rows}-rows`, is: changes.some(({ incomplete }) => incomplete !== undefined) ? 'unproven' : 'written', rows },
    what: `${rows} row(s) were changed on ${production} since the proof, which are not on the fallback (${words.join(', ')})`,
  };
}

/** Before anything of it goes: whoever wrote to the former production after the proof wrote rows that nobody else has. */
export function untouchedSinceProof(production: string): Step {
  return {
    id: 'retired.untouched',
    title: `Look that nobody has written to ${production} behind the fence`,
    estimateSeconds: 2,
    patienceSeconds: 600,
    async observe(context) {
      // an earlier run has looked, and deletes by now.
      if (context.view.begun('teardown', 'fallback.delete')) return done('looked at before it began to go');
      const found = await look(context, production);
      if (!found) return done('nobody has');
      const known = context.view.verdict?.findings.find(({ id }) => id === found.id);
      if (!known) return todo(found.what);
      if (known.accepted) return done(`accepted by ${known.accepted.by.who}: ${known.what}`);
      const open = openFindings(context.view);
      return {
        ...{ is: 'failed', code: 'proof.written-behind', message: findingWords(open) },
        state: `Nothing was deleted: ${production} stays, fenced, with rows that nobody else has.`,
        next: [acceptCommand(open)],
      };
    },
    async act(context) {
      const found = await look(context, production);
      if (found) await context.found({ findings: [found] });
    },
  };
}

async function look(context: Context, production: string): Promise<Finding | undefined> {
  const removed = context.view.begun('teardown', 'feed.remove');
  const found = removed ? undefined : await writtenBehind(context, production);
  const baseline = context.view.verdict?.proof?.['counted'] as Baseline | undefined;
  // while a database serves nobody its slot may be given up: what was written is told by what was counted then.
  return baseline && (removed || found?.is === 'unproven') ? counted(context, production, baseline) : found;
}
