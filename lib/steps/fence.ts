/** Drain, fence, open: who may write to a database. */

import { colorPart } from '../engine/context';
import { done, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import type { Color } from '../manifest/schema';
import { endWriters, fence, openTo, openWrites, prepareFence, proveFenced, writersAllowed } from '../postgres/access/fence';
import { knownRights, mayHaveRights } from '../postgres/access/known-rights';
import { moveStrayGrants } from '../postgres/access/roles';
import { writtenBehind } from './written-behind';

const drainSeconds = 20;

/** Waits for open write transactions; those that outlast the wait are ended by the fence, which comes next. */
export function drained(instance: string): Step {
  return {
    id: 'database.drain',
    title: 'Wait until no write transaction is open',
    estimateSeconds: 3,
    patienceSeconds: drainSeconds + 30,
    pollMs: 100,
    async observe(context) {
      const open = await openWrites(await context.database(instance));
      if (open.length === 0) return done();
      const names = open.map(({ user, pid }) => `${user} (pid ${pid})`).join(', ');
      return context.waitedMs() > drainSeconds * 1000
        ? done(`still open after ${drainSeconds} s, the fence will end them: ${names}`)
        : pending(`open: ${names}`);
    },
  };
}

export function fenced(
  instance: string,
  options: { id?: StepId; title?: string; holdsUntil?: StepId | 'end'; again?: boolean } = {},
): Step {
  return {
    id: options.id ?? 'database.fence',
    title: options.title ?? `Fence ${instance}: nobody but Switchback can write, and prove it`,
    estimateSeconds: 2,
    patienceSeconds: 60,
    pollMs: 100,
    ...(options.holdsUntil ? { holdsUntil: options.holdsUntil } : {}),
    ...(options.again ? { again: true } : {}),
    async observe(context) {
      const db = await context.database(instance);
      const { roles, acknowledged } = context.manifest.shared.database;
      const proof = await proveFenced(db, roles, { acknowledgedFunctions: acknowledged?.functions ?? [] });
      if (proof.proven) return done(`nobody can write to ${instance}`, { provenAt: context.clock.now() });
      // customers still write: what is done now is not done while nobody can.
      if (!knownRights(db)) await prepareFence(db, roles, acknowledged?.functions);
      return todo(proof.reasons.join('; '));
    },
    async act(context) {
      const db = await context.database(instance);
      const { roles } = context.manifest.shared.database;
      // what was granted to the write role since the stage, by the migrations too, no fence would take away.
      if (mayHaveRights(db, roles.write)) await moveStrayGrants(db, roles);
      const left = await fence(db, roles);
      await endWriters(db, { graceMs: 2000 }, left);
    },
  };
}

/** Opened to one color and to nobody else. `after`: the fenced database that this one takes over from. */
export function opened(instance: string, color: Color, { after }: { after?: string } = {}): Step {
  return {
    id: 'database.open',
    title: `Open ${instance} to ${color}, and only to ${color}`,
    estimateSeconds: 1,
    patienceSeconds: 30,
    pollMs: 100,
    async observe(context) {
      const { user } = colorPart(context.manifest, color).database;
      const allowed = await writersAllowed(await context.database(instance), context.manifest.shared.database.roles);
      return allowed.length === 1 && allowed[0] === user
        ? done(`${user} may write`)
        : todo(allowed.length === 0 ? 'nobody may write' : `may write: ${allowed.join(', ')}`);
    },
    async act(context) {
      const db = await context.database(instance);
      const { roles } = context.manifest.shared.database;
      const { user } = colorPart(context.manifest, color).database;
      const others = (await writersAllowed(db, roles)).filter((name) => name !== user);
      if (others.length > 0) await fence(db, roles);
      // said at once; the comparison stops for it.
      const behind = after === undefined ? undefined : await writtenBehind(context, after);
      if (behind !== undefined) await context.progress(behind.what);
      await openTo(db, roles, user);
    },
  };
}
