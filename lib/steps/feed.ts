/** The fork ahead and the feed: the fallback database is promoted while production serves, and kept current from exactly there on. */

import { switchback } from '../base/advice';
import type { Context } from '../engine/context';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import { decisionStep, type StepId } from '../engine/step-id';
import { preparedTransactions } from '../postgres/access/prepared';
import { tracesSince } from '../postgres/access/tripwire';
import { DatabaseError, type Db } from '../postgres/connection/connect';
import { compareLsn, inRecovery, replayedLsn } from '../postgres/connection/lsn';
import { type Backlog, backlog, backlogWords } from '../postgres/replication/backlog';
import { feedHealth, pauseFeed } from '../postgres/replication/feed';
import { forkAhead, forkState, preparedLeft, preparePublisher } from '../postgres/replication/fork';
import { beat, leftOut } from '../postgres/replication/heartbeat';
import { markerRoundTrip, markerThere } from '../postgres/replication/marker';
import { madeWords, makePartitions } from '../postgres/replication/new-partitions';
import { publicationExists } from '../postgres/replication/publication';
import { type AdvancedSequences, advanceSequences, sequenceMargin } from '../postgres/replication/sequences';
import {
  disableFeed,
  dropSlot,
  feedName,
  readSlot,
  readSubscription,
  removeFeed,
  silentTables,
} from '../postgres/replication/subscription';
import { refuseGivenUp } from './fork-method';
import { forkOptions, notHere } from './fork-options';

/** From here on production keeps everything it commits for the fallback. */
export function slotMade(production: string, fallback: string): Step {
  return {
    id: 'fork.slot',
    title: `Create a publication and a slot on ${production}: it keeps changes for ${fallback}`,
    estimateSeconds: 5,
    patienceSeconds: 600,
    async observe(context) {
      const state = await forkState(await context.database(production), await context.database(fallback), feedName(context.window.name));
      // what comes too late for that is mended by a copy of every table (fork-way.ts).
      if (state.promoted) return done(`${fallback} is promoted already`);
      if (state.slot === 'lost') return todo(`${production} has given up the slot of an earlier run`);
      if (state.slot === 'being made') return pending('the slot waits for open write transactions to end');
      if (!state.publication || state.slot !== 'there') return todo();
      // the fork must lie behind the place from which the slot can send; waited for here, where patience and Ctrl-C count.
      const from = (await readSlot(await context.database(production), feedName(context.window.name)))?.confirmed;
      const replayed = await replayedLsn(await context.database(fallback));
      return from && replayed !== undefined && compareLsn(replayed, from) >= 0
        ? done(`${fallback} has replayed past ${from}`)
        : pending(`${fallback} has replayed ${replayed ?? 'nothing'}, the slot sends from ${from ?? 'nowhere yet'}`);
    },
    async act(context) {
      const [from, name] = [await context.database(production), feedName(context.window.name)];
      if ((await readSlot(from, name))?.walStatus === 'lost') await dropSlot(from, name);
      await preparePublisher(await forkOptions(context, production, fallback));
    },
  };
}

/** Undefined where it has not arrived within three seconds: what keeps it is looked up then. */
const markerArrival = (from: Db, to: Db) =>
  markerRoundTrip(from, to, { timeoutMs: 3000 }).catch((error: unknown) => {
    if (error instanceof DatabaseError) throw error;
    return undefined;
  });

const skipped = (fallback: string, gap: string): Observation => ({
  is: 'failed',
  code: 'feed.skipped',
  message: `the feed to ${fallback} lives, and has lost rows: ${gap}`,
});

/** The promoted fallback subscribes at exactly the position where it left production, and proves it with a marker. */
export function feedStarted(production: string, fallback: string): Step {
  return {
    id: 'fork.feed',
    title: `Start replication to ${fallback} from the exact position where it left ${production}`,
    estimateSeconds: 5,
    patienceSeconds: 900,
    async observe(context) {
      const [from, to, name] = [await context.database(production), await context.database(fallback), feedName(context.window.name)];
      // the feed of a window whose migrations have begun is the business of feed.resume.
      if (context.view.begun('cutover', 'feed.pause')) return done('it was paused for the migrations');
      if (!(await forkState(from, to, name)).feeding) {
        const prepared = await preparedTransactions(to);
        return prepared.length === 0 ? todo() : { is: 'failed', code: 'fork.prepared', message: preparedLeft(prepared) };
      }
      const silent = await silentTables(from, to, name);
      if (silent.length > 0)
        return {
          is: 'failed',
          code: 'feed.silent-tables',
          message: `published but unknown to the subscription, so changes would be lost without a word: ${silent.join(', ')}`,
        };
      await beat(from);
      const sent = await markerArrival(from, to);
      if (!sent) {
        // what production has given up never comes, however long it is waited for.
        await refuseGivenUp(context, production, fallback);
        return pending('the marker has not arrived yet');
      }
      const gap = await leftOut(to);
      if (gap !== undefined) return skipped(fallback, gap);
      const { milliseconds } = sent;
      return done(`a marker arrived after ${Math.round(milliseconds)} ms`, { markerMs: milliseconds });
    },
    async act(context) {
      const fork = await forkAhead({
        ...(await forkOptions(context, production, fallback)),
        promote: notHere(fallback),
      });
      await context.progress(`forked at ${fork.lsn} (${fork.sources.join(', ')})`);
    },
  };
}

/** From then on a marker that waits is told with what it waits for: until then it is the usual second or two. */
const saidAfterMs = 30_000;

/** Nothing is migrated yet, so the way back is short and loses nothing: nobody is asked, and nobody waits on. */
function givenUp({ clock, view, window }: Context, waits: string): Observation | undefined {
  const decideBy = view.upBy?.decision?.decideBy;
  if (decideBy === undefined || clock.now() < Date.parse(decideBy) || view.answers.get(decisionStep)?.answer === 'go') return undefined;
  return {
    is: 'failed',
    code: 'decision.roll-back',
    message: `what was written before the fence has not arrived on ${window.fallback} by the decision time for ${view.upBy!.upBy}: ${waits}`,
    state: `Nothing was migrated and nothing is lost: a rollback opens ${window.production} again.`,
    next: [switchback('rollback'), switchback('status')],
  };
}

/** With production fenced the marker is the last thing it commits: once it has arrived, so has everything. */
export function feedCaughtUp(production: string, fallback: string, id: StepId = 'feed.level'): Step {
  let first: { readonly at: number; readonly seen: Backlog } | undefined;
  return {
    id,
    title: `Send a marker through the feed: when it arrives, ${fallback} has everything`,
    estimateSeconds: 1,
    patienceSeconds: 600,
    async observe(context) {
      const to = await context.database(fallback);
      const subscription = await readSubscription(to, feedName(context.window.name));
      if (subscription && !subscription.enabled && context.view.facts(id))
        return done('it had arrived, and the feed has been stopped since');
      const health = await feedHealth(await context.database(production), to, feedName(context.window.name));
      if (health.state === 'dead')
        return {
          is: 'failed',
          code: 'feed.dead',
          message: `the feed to ${fallback} is dead: ${health.reasons.join('; ')}. ${
            id === 'feed.drained'
              ? 'rollback -- --accept-loss leaves what was written since behind'
              : `Customers have written nothing since the fence: a rollback loses nothing. The next try needs a window with a new fallback`
          }`,
        };
      await beat(await context.database(production));
      const sent = await markerArrival(await context.database(production), to);
      if (!sent) {
        const from = await context.database(production);
        // rows of a partition that was made after the watch had looked last keep the marker behind them.
        const { made, refused } = await makePartitions(from, to, feedName(context.window.name));
        const { reasons } = await feedHealth(from, to, feedName(context.window.name));
        const now = await backlog(from, to, feedName(context.window.name));
        first ??= { at: context.clock.elapsed(), seen: now };
        const waits = backlogWords(now, { seconds: (context.clock.elapsed() - first.at) / 1000, seen: first.seen });
        const large = context.waitedMs() > saidAfterMs ? [waits] : [];
        const over = id === 'feed.level' ? givenUp(context, waits) : undefined;
        return over ?? pending(['it has not arrived yet', ...large, ...made.map(madeWords), ...refused, ...reasons].join('; '));
      }
      const gap = await leftOut(to);
      // at a rollback the comparison finds the rows, and has the SQL that puts them in.
      if (gap !== undefined && id !== 'feed.drained') return skipped(fallback, gap);
      // somebody else's transaction since may have been one of another database of the server: another marker brings what it was.
      let last = sent;
      for (let tries = 1; tries < 3 && (await tracesSince(await context.database(production), last.numbers)).length > 0; tries += 1)
        last = (await markerArrival(await context.database(production), to)) ?? last;
      return done(`arrived after ${sent.milliseconds.toFixed(1)} ms`, { markerMs: sent.milliseconds, numbers: last.numbers });
    },
  };
}

/** Nothing that the migrations do reaches the fallback: it stays the exact data before the change. */
export function feedPaused(production: string, fallback: string): Step {
  return {
    id: 'feed.pause',
    title: `Pause the feed: ${fallback} keeps the data as before the migrations`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    holdsUntil: 'migrations',
    async observe(context) {
      const name = feedName(context.window.name);
      const subscription = await readSubscription(await context.database(fallback), name);
      return !subscription?.enabled && !(await publicationExists(await context.database(production), name)) ? done() : todo();
    },
    async act(context) {
      await pauseFeed(await context.database(production), await context.database(fallback), feedName(context.window.name));
    },
  };
}

/** Numbers the old schema hands out next must lie beyond those the new schema has. */
export function sequencesAhead(production: string, fallback: string): Step {
  let result: AdvancedSequences | undefined;
  return {
    id: 'sequences.ahead',
    title: `Move ${fallback}'s sequences ${sequenceMargin} past ${production}'s`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe() {
      // moving them again sets the same numbers or higher ones, which is as good.
      return result ? done(`${result.moved.length} moved`, { moved: result.moved.length, nearEnd: result.nearEnd }) : todo();
    },
    async act(context) {
      result = await advanceSequences(await context.database(production), await context.database(fallback), sequenceMargin);
      if (result.nearEnd.length > 0) await context.progress(`near their end, the next numbers may run out: ${result.nearEnd.join(', ')}`);
    },
  };
}

/**
 * What was applied is made durable, and nothing more is asked for: the fallback is on its own. The worker's end is not waited for while
 * nobody can write: with production fenced there is nothing it could still bring, and who wrote behind the fence is told by the effect.
 */
export function feedStopped(fallback: string): Step {
  return {
    id: 'feed.stop',
    title: `Flush what ${fallback} has applied to disk and stop the feed`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const subscription = await readSubscription(await context.database(fallback), feedName(context.window.name));
      return !subscription?.enabled ? done() : todo();
    },
    async act(context) {
      await disableFeed(await context.database(fallback), feedName(context.window.name));
    },
  };
}

/** Subscription, slot and publication go; a slot that nobody reads would fill production's disk. */
export function feedRemoved(production: string, fallback: string): Step {
  return {
    id: 'feed.remove',
    title: `Remove the feed from ${production} to ${fallback}: subscription, slot, publication`,
    deletes: `the feed from ${production} to ${fallback}`,
    estimateSeconds: 2,
    patienceSeconds: 120,
    async observe(context) {
      const [from, to, name] = [await context.database(production), await writable(context, fallback), feedName(context.window.name)];
      const left = [
        (await publicationExists(from, name)) && 'publication',
        (await readSlot(from, name)) && 'slot',
        to && (await readSubscription(to, name)) && 'subscription',
        (await markerThere(from)) && 'marker',
      ].filter(Boolean);
      return left.length === 0 ? done() : todo(`still there: ${left.join(', ')}`);
    },
    async act(context) {
      await removeFeed(await context.database(production), await writable(context, fallback), feedName(context.window.name));
    },
  };
}

/** The fallback when it is there and has been promoted. */
async function writable(context: Context, fallback: string) {
  if (!(await context.aws.databases.describe(fallback))?.address) return undefined;
  const db = await context.database(fallback);
  return (await inRecovery(db)) ? undefined : db;
}
