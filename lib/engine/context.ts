/** What a step may use. Everything that reads time, the world or the network is in here, so a test can hand in its own. */
import type { Aws } from '../aws';
import type { Clock } from '../base/clock';
import type { Color, ColorPart, Manifest } from '../manifest/schema';
import type { Db } from '../postgres/connection/connect';
import type { Facts, ProofFound, Window } from './events';
import type { StepId } from './step-id';
import type { WindowView } from './window-view';

export interface Context {
  readonly window: Window;
  readonly manifest: Manifest;
  readonly view: WindowView;
  readonly aws: Aws;
  readonly clock: Clock;
  readonly acceptLoss: boolean;
  /** Ids of differences that a rollback would lose, accepted by the operator or in the color's declaration. */
  readonly acceptedLosses: readonly string[];
  /** How long the current step has been under way, over all invocations of this series; no clock that is set makes it jump. */
  waitedMs(): number;
  /** The master user's connection to an instance, opened once per invocation. */
  database(instance: string): Promise<Db>;
  /** A connection of its own, for what lives in one: a kept snapshot. Closed with the invocation. */
  connection(instance: string): Promise<Db>;
  /** Closes the connection to an instance; the next use opens it anew. */
  leave(instance: string): Promise<void>;
  /** What a confirmed step left behind. @throws Error when it left nothing: the plan's order is wrong */
  facts(step: StepId): Facts;
  /** What a proof has found, kept before anything is said of it. */
  found(what: Omit<ProofFound, 'type'>): Promise<void>;
  /** What became of earlier migrations is not known, and the operator has them started again. */
  readonly migrateAgain: boolean;
  /** A task that must run once: said before it is asked for, and once ECS has answered with its ARN. */
  asked(token: string, arn?: string): Promise<void>;
  /** Keeps a text beside the journal; answers where people find it. */
  keep(name: string, text: string): Promise<string>;
  /** Ends the window in the journal. */
  closeWindow(outcome: string): Promise<void>;
  /** For people, about what is going on inside the current step: a line, or several. `share`: how much of it is done, from 0 to 1. */
  progress(text: string, share?: number): Promise<void>;
}

/** Ids of losses that people have accepted: typed with a run, and declared by the color that is coming. */
export const everyAccepted = (
  { window, manifest }: Pick<Context, 'window' | 'manifest'>,
  typed: readonly string[] = [],
): readonly string[] => [...typed, ...(manifest[window.to]?.migration.acceptedLosses ?? [])];

/** A color's part of the manifest. @throws Error when its stack has not been deployed */
export function colorPart(manifest: Manifest, color: Color): ColorPart {
  const part = manifest[color];
  if (!part) throw new Error(`the ${color} stack has not been deployed`);
  return part;
}
