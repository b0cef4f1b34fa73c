/**
 * `/switchback/<system>/emergency`: the one parameter that `rollback --traffic-only` needs. Written when a window
 * opens, so that on the day nothing else works the rules of both colors are known from one small read. No zod here:
 * the emergency must start fast.
 */

import { priorityOf } from './priorities';
import type { Color, Manifest } from './schema';
import type { Moves } from './traffic';
import { rulesOf } from './traffic';

export const emergencyParameter = (system: string): string => `/switchback/${system}/emergency`;

export interface Emergency {
  readonly emergency: 1;
  readonly system: string;
  /** Missing: no window is open, there is nothing to go back to. */
  readonly window?: string | undefined;
  /** The color to put in front. */
  readonly from?: Color | undefined;
  /** Every rule that moves with `<its name> <priority>`, where `from` is live and nobody sees the maintenance answer. */
  readonly listeners: readonly { readonly arn: string; readonly rules: readonly string[] }[];
  /** The last time somebody used it; a run that sees this after its start stops. */
  readonly used?: { readonly at: string; readonly by: string; readonly reason?: string | undefined } | undefined;
}

/** What the parameter says while a window is open. */
export function emergencyOf(
  manifest: Manifest,
  window: { readonly system: string; readonly name: string; readonly from: Color | undefined },
): Emergency {
  const { system, name, from } = window;
  if (!from) return noEmergency(system);
  const listeners = manifest.shared.listeners.map(({ arn, firstPriority }) => ({
    arn,
    rules: rulesOf(manifest)
      .filter(({ rule, owner }) => rule.listener === arn && rule.kind !== 'key' && owner !== 'blue')
      .map(({ rule, owner }) => `${packed(rule.arn, arn)} ${priorityOf(rule, owner, firstPriority, { live: from, maintenance: false })}`),
  }));
  return { emergency: 1, system, window: name, from, listeners };
}

/** What it says when no window is open. */
export const noEmergency = (system: string): Emergency => ({ emergency: 1, system, listeners: [] });

/** One call per listener. */
export const emergencyMoves = ({ listeners }: Emergency): Moves[] =>
  listeners.map(({ arn, rules }) => ({
    listener: arn,
    priorities: rules.map((text) => {
      const [rule = '', priority] = text.split(' ');
      return { rule: rule.startsWith('/') ? `${prefixOf(arn)}${rule}` : rule, priority: Number(priority) };
    }),
  }));

/** @throws Error when it is not what this version writes */
export function parseEmergency(text: string): Emergency {
  const value = JSON.parse(text) as Partial<Emergency> | null;
  if (value?.emergency !== 1 || !Array.isArray(value.listeners)) throw new Error('it was written by another version of Switchback');
  return value as Emergency;
}

/** Whether it names the same rules: who used it and when is not compared. */
export const sameEmergency = (one: Emergency | undefined, other: Emergency): boolean =>
  one !== undefined && JSON.stringify({ ...one, used: undefined }) === JSON.stringify({ ...other, used: undefined });

/** A parameter holds 8,192 characters, and every rule's ARN repeats its listener's. */
const prefixOf = (listener: string): string => listener.replace(':listener/', ':listener-rule/');
const packed = (rule: string, listener: string): string =>
  rule.startsWith(`${prefixOf(listener)}/`) ? rule.slice(prefixOf(listener).length) : rule;
