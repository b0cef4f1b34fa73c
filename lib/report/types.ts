/** What the screens are drawn from. */

import type { HoldSeen, JournalEvent, PlannedStep, Verb, Window } from '../engine/events';
import type { Decision, WindowView } from '../engine/window-view';
import type { Color, Release } from '../manifest/schema';
import type { CustomersSeen } from '../operations/customers-look';
import type { TrialFound } from '../steps/trial';

export interface PlanScreen {
  readonly verb: Verb;
  readonly window: Window;
  readonly steps: readonly (PlannedStep & { readonly done: boolean })[];
  /** It is shown to somebody who has typed the verb already: how to start it is not said. */
  readonly starting?: boolean;
  /** Of a stage: it is taken back. */
  readonly undo?: boolean;
  /** The database that customers write to now. @default - the window's */
  readonly production?: string;
  /** The decision time for an hour that was given: from where the world is, and once the migrations have begun. */
  readonly decision?: { readonly upBy: string; readonly now: Decision; readonly migrated: Decision };
  /** What the trial of the migrations found; undefined while none has passed. */
  readonly trial?: Omit<TrialFound, 'now'>;
  readonly now: number;
}

export interface StatusScreen {
  readonly system: string;
  /** False until the first cutover has opened the system to customers. */
  readonly opened: boolean;
  readonly live: Color | undefined;
  /** Undefined: some maintenance rules are in front, others parked. */
  readonly maintenance: boolean | undefined;
  readonly releases: { readonly blue: Release | undefined; readonly green: Release | undefined };
  readonly production: string;
  /** As RDS says it. */
  readonly productionStatus: string;
  /** Where customers come in: `http://localhost:20412`. */
  readonly addresses?: readonly string[];
  /** The header by which the standby color is reached, also in maintenance. */
  readonly backDoor?: { readonly header: string; readonly value: string };
  /** What an address of the load balancer answered; undefined where nobody could look. */
  readonly seen?: CustomersSeen;
  /** The open window. */
  readonly window: WindowView | undefined;
  /** ISO time. */
  readonly holdEndsAt: string | undefined;
  /** The last look at the feed, while a rollback would use it. */
  readonly feed?: HoldSeen & { readonly at: string };
  readonly lastWindow: string | undefined;
  /** Where the app has the stacks (lib/manifest/stack-names.ts). */
  readonly stackPath?: string;
  /** The window that a deployed fallback, fed by production, is ready for: `w3`. */
  readonly readyFor?: string;
  readonly now: number;
}

/** Follows a run: a live view on a terminal, a plain log otherwise, JSON lines with --json. */
export interface Screen {
  events(view: WindowView, added: readonly JournalEvent[]): void;
  /** Time has passed without an event (about five times a second). */
  tick(now: number): void;
  close(): void;
}
