/** What is made ready before customers wait. None of it changes anything, and where it was not done the gap does it itself. */
import { type Context, colorPart } from '../engine/context';
import type { Step } from '../engine/step';
import type { Color } from '../manifest/schema';
import { prepareFence, whoMayWrite } from '../postgres/access/fence';
import { knownRights } from '../postgres/access/known-rights';
import { prepareSequences } from '../postgres/replication/sequences';
import { readCatalog } from '../postgres/schema/catalog';
import { readInventory } from '../postgres/schema/unclaimed';
import { readRecord } from '../postgres/verification/record';
import type { Moment } from './equality';

/** The step, and once it is so, `prepare`. */
export const ahead = (step: Step, prepare: (context: Context) => Promise<void>): Step => ({
  ...step,
  async observe(context) {
    const seen = await step.observe(context);
    if (seen.is === 'done') await prepare(context).catch(() => undefined);
    return seen;
  },
});

/** The step, and while what it has asked for is under way, `prepare`. */
export const meanwhile = (step: Step, prepare: (context: Context) => Promise<void>): Step => ({
  ...step,
  async act(context) {
    await step.act?.(context);
    await prepare(context).catch(() => undefined);
  },
});

/** Fence and opening of one database, and what is read of schemas: looks of which the gap needs only what is newer, and plans of what it asks. */
export const cutoverReady =
  (production: string, fallback: string, to: Color) =>
  async (context: Context): Promise<void> => {
    const [from, back] = [await context.database(production), await context.database(fallback)];
    await fenceReady(context, production);
    await openingReady(context, production, to);
    for (const db of [from, back]) {
      await readCatalog(db);
      await readRecord(db);
    }
    await readInventory(from);
  };

/** The same of two databases, with the sequences of both, and the connection that keeps the moment. */
export const rollbackReady =
  (production: string, fallback: string, from: Color, moment: Moment) =>
  async (context: Context): Promise<void> => {
    await fenceReady(context, production);
    await openingReady(context, fallback, from);
    await prepareSequences(await context.database(production), await context.database(fallback));
    if (!context.view.verdict?.proof) moment.ready ??= await context.connection(fallback);
  };

async function fenceReady(context: Context, instance: string): Promise<void> {
  const db = await context.database(instance);
  const { roles, acknowledged } = context.manifest.shared.database;
  if (!knownRights(db)) await prepareFence(db, roles, acknowledged?.functions);
}

async function openingReady(context: Context, instance: string, color: Color): Promise<void> {
  const { user } = colorPart(context.manifest, color).database;
  await whoMayWrite(await context.database(instance), context.manifest.shared.database.roles, user);
}
