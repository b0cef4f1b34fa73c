/** Whether anybody wrote to the fenced production after the last marker: no grant binds the master user, a superuser, or a role lent by one. */
import type { Context } from '../engine/context';
import { tracesSince } from '../postgres/access/tripwire';
import { feedName } from '../postgres/replication/subscription';
import { unsentChanges } from '../postgres/replication/unsent';

/** The numbers of the markers that have brought everything, as the step of the feed left them. */
const markers = ({ view }: Pick<Context, 'view'>): readonly string[] =>
  (view.facts('feed.drained')?.['numbers'] as string[] | undefined) ?? [];

/** One sentence where rows that are fed were written, or where that cannot be told; undefined where none were. */
export async function writtenBehind(context: Context, production: string): Promise<string | undefined> {
  const ours = markers(context);
  if (ours.length === 0) return undefined;
  const db = await context.database(production);
  const traces = await tracesSince(db, ours);
  if (traces.length === 0) return undefined;
  const changes = await unsentChanges(
    db,
    feedName(context.window.name),
    traces.map(({ number }) => number),
  );
  if (changes === 0) return undefined;
  const who = `${traces.length} transaction(s) of somebody else since the last marker (the first is ${traces[0]!.number})`;
  return changes === undefined
    ? `whether ${who} wrote to ${production} cannot be told: its slot cannot be read`
    : `${who} changed ${changes} row(s) on ${production} behind the fence, which are not on the fallback; find them: SELECT * FROM pg_logical_slot_peek_binary_changes('${feedName(context.window.name)}', NULL, NULL, 'proto_version', '1', 'publication_names', '${feedName(context.window.name)}')`;
}
