/** What is tried, and what came of it. */
import type { Verb } from '../../engine/events';
import type { ScriptStatement } from '../../postgres/connection/script';
import type { Declared } from '../../postgres/schema/declared';
import type { Loss } from '../../postgres/verification/loss-manifest';
import type { TryServers } from './servers';

export type Statements = readonly ScriptStatement[];

/** One migration, and what is done around it. */
export interface Trying {
  readonly id: string;
  /** As the superuser, before there are users. */
  readonly superuserBefore?: Statements;
  /** As the master user; what it makes is handed to the owner. */
  readonly before: Statements;
  /** As the superuser, when the users are there. */
  readonly superuserAfter?: Statements;
  /** As the old release, between the fork and the fence. */
  readonly meanwhile?: Statements;
  /** By the migrator, or a command that finds the database in DATABASE_URL. */
  readonly migrate: Statements | ((url: string) => Promise<void>);
  readonly declared?: Declared;
  /** Ids of differences that a rollback may lose. */
  readonly accepted?: readonly string[];
  readonly bookkeeping?: readonly string[];
  /** As the new release, after the opening. */
  readonly writes?: Statements;
  /** As the superuser on production, in the hold. */
  readonly superuserInHold?: Statements;
  /** As the old release, after the rollback. */
  readonly backWrites?: Statements;
  /** Asked of both databases at the end, as the superuser. */
  readonly ask?: readonly string[];
}

export type Outcome = 'lossless' | 'refused' | 'wrong' | 'failed';
export type Place = 'preflight' | 'trial' | 'window' | 'hold' | 'rollback';

export interface Tried {
  readonly id: string;
  readonly outcome: Outcome;
  /** Where it ended. */
  readonly at: Place;
  /** Of a refusal: what would be lost, and what to declare or to accept. Otherwise what went wrong. */
  readonly differences: readonly string[];
  readonly lossManifest: readonly Loss[];
  /** The first column of each row, of the fallback after the rollback. */
  readonly asked: readonly (readonly unknown[])[];
  /** The same of production; null where it does not know what is asked. */
  readonly askedOfProduction: readonly (readonly unknown[] | null)[];
  readonly seconds: number;
}

export interface TryOptions {
  readonly servers: TryServers;
  readonly elapsed: () => number;
  readonly onStep?: (id: string, verb: Verb | 'trial', title: string) => void;
  readonly onTried?: (tried: Tried) => void;
}
