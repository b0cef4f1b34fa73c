/** Cases as files have them: a migration as a team has done it, and what the old release must find after the rollback. */
import { z } from 'zod';
import type { ScriptStatement } from '../../postgres/connection/script';
import type { Trying } from './trying';

const statements = z.array(z.string()).default([]);
const answer = z.union([z.literal('production'), z.array(z.unknown())]);
const caseSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** `right`: lossless, with these answers. `refused`: before the night. `either`: one of the two. */
  must: z.enum(['right', 'refused', 'either']).default('right'),
  /** The oldest major that it runs on. */
  postgres: z.number().default(15),
  su: statements,
  old: statements,
  suAfter: statements,
  meanwhile: statements,
  change: statements,
  write: statements,
  dba: statements,
  after: statements,
  declared: z.record(z.string(), z.unknown()).default({}),
  accepted: z.array(z.string()).default([]),
  ask: statements,
  /** One answer per question: the first column of each row, or what production answers. */
  expect: z.array(answer).default([]),
  /** Other right answers. */
  or: z.array(answer).default([]),
});
export type Case = z.infer<typeof caseSchema>;

/** @throws Error where the file is no list of cases */
export const readCases = (text: string): Case[] =>
  z.union([z.array(caseSchema), caseSchema.transform((one) => [one])]).parse(JSON.parse(text));

export function tryingOf(one: Case): Trying {
  return {
    id: one.id,
    superuserBefore: list(one.su),
    before: list(one.old),
    superuserAfter: list(one.suAfter),
    meanwhile: list(one.meanwhile),
    migrate: list(one.change),
    declared: one.declared as NonNullable<Trying['declared']>,
    accepted: one.accepted,
    writes: list(one.write),
    superuserInHold: list(one.dba),
    backWrites: list(one.after),
    ask: one.ask,
  };
}

const list = (sql: readonly string[]): ScriptStatement[] => sql.map((text, index) => ({ line: index + 1, sql: text }));

/** Where the answers are not those that are expected, one sentence each. */
export function wrongAnswers(
  { ask, expect, or }: Case,
  asked: readonly (readonly unknown[])[],
  ofProduction: readonly (readonly unknown[] | null)[],
): string[] {
  const text = (values: unknown): string =>
    JSON.stringify((values as (string | number | boolean | null)[]).map((value) => (value === null ? null : String(value))));
  return expect.flatMap((wanted, index) => {
    const got = text(asked[index] ?? []);
    const right = [wanted, ...(or[index] ? [or[index]] : [])].map((one) => text(one === 'production' ? (ofProduction[index] ?? []) : one));
    return right.includes(got) ? [] : [`${ask[index]}: the fallback answers ${got}, right is ${right.join(' or ')}`];
  });
}
