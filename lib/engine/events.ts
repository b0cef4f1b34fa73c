/**
 * The journal is a numbered list of these events: the audit log, the resume point, the source of estimates, and what
 * every screen is drawn from. They hold no secrets. Times are ISO 8601 in UTC.
 */
import type { Advice } from '../base/advice';
import type { Color, Manifest, SystemState } from '../manifest/schema';

export type Verb = 'stage' | 'cutover' | 'rollback' | 'teardown';

export interface Operator {
  /** The AWS principal, or the name given with `--by`. */
  readonly who: string;
  /** user@host, or the runner's name. */
  readonly where: string;
}

/** What has been measured of a step: in earlier windows of this system, or of its migrations in their own trial. */
export interface Measured {
  readonly runs: number;
  /** Nine of ten took no longer. */
  readonly p90Seconds: number;
  /** The window whose trial it was measured in: other windows have other migrations. */
  readonly trial?: string;
}

/** Seconds that steps took in earlier windows, by step id, the newest last: where they acted, and where it was so already. */
export type Durations = Readonly<Record<string, { readonly acted: readonly number[]; readonly seen: readonly number[] }>>;

/** What happens at the decision time when nobody answers. */
export type AtDecision = 'rollback' | 'hold';

/** What people say at a gate. */
export interface GateAnswer {
  readonly answer: 'go' | 'no-go';
  readonly reason: string;
}

/** What is on its way to a question. */
export interface GivenAnswer extends GateAnswer {
  /** The step that asked what the person saw: another question that is asked in the same moment is not answered by it. */
  readonly question?: string;
}

export interface PlannedStep {
  readonly id: string;
  readonly title: string;
  readonly estimateSeconds: number;
  /** Set when the estimate has been measured; the step's own guess otherwise. */
  readonly measured?: Measured;
  /** From this step on, a rollback loses the writes customers make. */
  readonly pointOfLoss?: boolean;
  /** What is gone for good after it. */
  readonly deletes?: string;
  /** When the run gives it up; left out where it waits for as long as people take. */
  readonly patienceSeconds?: number;
}

/** What a window is about; frozen by its first event. */
export interface Window {
  /** `w1`, `w2`, …; `w0` is the first opening of a system, which has nothing to fall back to. */
  readonly name: string;
  readonly system: string;
  /** The color that was live when the window opened; none in `w0`. */
  readonly from: Color | undefined;
  readonly to: Color;
  /** The instance customers wrote to when the window opened. */
  readonly production: string;
  /** The instance a rollback goes to. */
  readonly fallback: string | undefined;
}

/** JSON that a step leaves for later steps and readers. */
export type Facts = Readonly<Record<string, unknown>>;

/** One look at the feed while nobody works on the window. */
export interface HoldSeen {
  readonly type: 'hold.seen';
  /** As lib/postgres/replication/feed.ts says it. `unreachable`: one of the databases did not answer. */
  readonly state: 'alive' | 'behind' | 'paused' | 'stuck' | 'dead' | 'unreachable';
  readonly reasons: readonly string[];
  /** What somebody changed about the form. */
  readonly drift: readonly string[];
  /** Sequences whose numbers are nearly used up for a rollback; left out where there are none. */
  readonly nearEnd?: readonly string[];
  /** Partitions that the look has made on the fallback, because production had got them, one sentence each; left out where there were none. */
  readonly madePartitions?: readonly string[];
  readonly heartbeatSeconds?: number;
  /** WAL that production keeps for the fallback, and how much more it would. */
  readonly retainedBytes?: number;
  readonly bytesLeft?: number;
  readonly applyErrors: number;
  readonly conflicts?: Readonly<Record<string, number>>;
  /** The end of the hold, of a feed that lives. Earlier versions noted it beside one that stands still: lib/operations/way-back.ts reads it. */
  readonly rollbackPossibleUntil?: string;
  /** Of a feed that does not live: the earlier of the hold's end and of production's limit. */
  readonly mendBy?: string;
}

/** What a proof has found. It stays until somebody accepts it by name. */
export interface Finding {
  /** `public.orders:different`: what `rollback --accept-difference` takes. */
  readonly id: string;
  /** `different`: rows are not equal. `written`: somebody wrote behind the fence. `unproven`: it could not be told. */
  readonly is: 'different' | 'written' | 'unproven';
  /** One sentence, said the same whenever it is said. */
  readonly what: string;
  readonly rows?: number;
}

/** One look of a proof; findings of later looks stand beside those of earlier ones. */
export interface ProofFound {
  readonly type: 'proof.found';
  readonly findings: readonly Finding[];
  /** The comparison of the rollback, where this is it. */
  readonly proof?: Facts;
  /** Where the SQL is that puts in the rows that differ. */
  readonly file?: string;
}

export type EventBody =
  | {
      readonly type: 'window.opened';
      readonly window: Window;
      readonly manifest: Manifest;
      readonly state: SystemState;
      readonly durations?: Durations;
    }
  | {
      readonly type: 'run.started';
      readonly verb: Verb;
      readonly plan: readonly PlannedStep[];
      /** Where the steps run: the runner's name, or `terminal`. */
      readonly runner: string;
      /** Why, in the operator's words. */
      readonly reason?: string;
      /** A rollback that the operator accepted to lose writes for. */
      readonly acceptLoss?: boolean;
      /** Ids of differences of the two schemas that a rollback may lose. */
      readonly acceptedLosses?: readonly string[];
      /** A teardown before the end of the hold, or one that leaves the standby color's stack. */
      readonly now?: boolean;
      readonly keepStandby?: boolean;
      /** A stage that is taken back. */
      readonly undo?: boolean;
      /** Migrations are started again although it is not known what became of those before. */
      readonly migrateAgain?: boolean;
      /** Whose run, not ended, was taken over. */
      readonly takeOver?: { readonly who: string; readonly where: string; readonly run: string };
    }
  /** Says that a writer that waits long is still there: every event of a writer moves its lease on by a minute. */
  | { readonly type: 'run.alive' }
  | { readonly type: 'step.started'; readonly step: string }
  /** `share`: of the step's work, from 0 to 1, where it is known. */
  | { readonly type: 'step.progress'; readonly step: string; readonly text: string; readonly share?: number }
  | {
      readonly type: 'step.done';
      readonly step: string;
      readonly seconds: number;
      /** Of them, those between two looks, in the invocation that saw it done: for tasks, targets, databases. */
      readonly waited?: number;
      /** False: it was already so. */
      readonly acted: boolean;
      readonly detail?: string;
      readonly facts?: Facts;
    }
  /** A task that must run once: that it is asked for, and once ECS has answered, which it is. */
  | { readonly type: 'task.asked'; readonly step: string; readonly token: string; readonly arn?: string }
  | { readonly type: 'gate.asked'; readonly step: string; readonly question: string }
  /** The first answer to a question stands; a later one counts only where it names the one that it takes the place of. */
  | {
      readonly type: 'gate.answered';
      readonly step: string;
      readonly answer: 'go' | 'no-go';
      readonly reason: string;
      readonly overrules?: { readonly number: number; readonly answer: 'go' | 'no-go'; readonly who: string };
    }
  /** What somebody says of one of the landing tests that people do at a gate. */
  | { readonly type: 'landing.told'; readonly test: string; readonly passed: boolean; readonly what?: string }
  /** Somebody wishes a run to stop after the step it is in; `takeOver`: and waits to go on in its place. */
  | { readonly type: 'stop.asked'; readonly of: string; readonly why: string; readonly takeOver?: true }
  /** The hour by which something must be up. */
  | { readonly type: 'up-by.set'; readonly upBy: string; readonly atDecision: AtDecision }
  /** The last moment at which a rollback from here is done in time; written when it moves, and when it comes near. */
  | {
      readonly type: 'decision.time';
      readonly decideBy: string;
      readonly upBy: string;
      readonly rollbackSeconds: number;
      readonly steps: number;
      /** Of so many of the steps the time has been measured. */
      readonly measuredSteps: number;
      /** Minutes before it at which this event warns. */
      readonly warning?: number;
    }
  /** The schedule found that nobody was there at the decision time, and does what the window's policy says. */
  | { readonly type: 'decision.unanswered'; readonly upBy: string; readonly does: AtDecision; readonly why: string }
  | {
      readonly type: 'run.stopped';
      readonly verb: Verb;
      readonly step?: string;
      readonly code: string;
      readonly message: string;
      readonly state?: string;
      readonly next: readonly Advice[];
      readonly exit: number;
    }
  | { readonly type: 'run.finished'; readonly verb: Verb; readonly seconds: number }
  /** The teardown that begins by itself has not begun: nobody is at a terminal to hear why. */
  | { readonly type: 'teardown.refused'; readonly code: string; readonly message: string; readonly next: readonly Advice[] }
  | HoldSeen
  | ProofFound
  /** What was found different, and may stay so: by whom is said by the event. */
  | { readonly type: 'difference.accepted'; readonly ids: readonly string[]; readonly reason: string }
  | { readonly type: 'window.closed'; readonly outcome: string };

/**
 * Notes are written beside a run by whoever has something to say to it. They neither take the window nor keep its
 * lease, and a writer who finds one at its number writes at the next.
 */
export const isNote = ({ type }: EventBody): boolean =>
  type === 'stop.asked' ||
  type === 'up-by.set' ||
  type === 'gate.answered' ||
  type === 'landing.told' ||
  type === 'hold.seen' ||
  type === 'decision.time' ||
  type === 'difference.accepted' ||
  type === 'teardown.refused' ||
  type === 'decision.unanswered';

/** An event as it stands in the journal. */
export type JournalEvent = EventBody & {
  /** Its place in the window's journal, from 1. */
  readonly number: number;
  readonly at: string;
  /** One series of invocations of one verb by one operator. */
  readonly run: string;
  readonly by: Operator;
  /** Tells our own event from another writer's of the same number. */
  readonly nonce: string;
};

/** The newest look at the feed that was noted in a window. */
export const lastHoldSeen = (events: readonly JournalEvent[]): (HoldSeen & { readonly at: string }) | undefined =>
  events.findLast((event) => event.type === 'hold.seen');
