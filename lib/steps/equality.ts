/** After a rollback: the fallback holds everything the fenced production holds, proven from the moment in the gap. */

import { messageOf } from '../base/errors';
import { type Context, colorPart, everyAccepted } from '../engine/context';
import type { Finding, ProofFound } from '../engine/events';
import { done, type Step, todo } from '../engine/step';
import { proofStep } from '../engine/step-id';
import { findingText, findingWords, isLoss, nextWhileOpen, openFindings } from '../engine/verdict';
import { ConnectionLost, type Db } from '../postgres/connection/connect';
import { isBookkeeping } from '../postgres/schema/bookkeeping';
import type { Difference as SchemaDifference } from '../postgres/schema/difference';
import { takeBaseline } from '../postgres/verification/change-counts';
import { exportSnapshot, type Progress, type Snapshot, type TableComparison } from '../postgres/verification/compare';
import {
  type ComparisonSnapshotNote,
  lookCloser,
  noteComparisonSnapshot,
  type Proof,
  prove,
  proveAfterwards,
  takeComparisonSnapshot,
} from '../postgres/verification/equality';
import { deletedLosses, deletedRows } from '../postgres/verification/kept-rows';
import { type Loss, lossManifest } from '../postgres/verification/loss-manifest';
import type { PairingOptions, ProofPair } from '../postgres/verification/pairing';
import { MomentLost } from '../postgres/verification/reading';
import { type SequenceBehind, sequencesBehind } from '../postgres/verification/sequences-behind';
import { declaredBy, recordBefore } from './bridges';
import { compareShare, compareWords, differenceWords } from './comparison-words';
import { differencesFile } from './differences-file';
import { writtenBehind } from './written-behind';

/**
 * The moment lives in a connection: it is kept by this step and compared by the next, in the same invocation. A runner
 * that died in between has lost it, and so has a fallback that restarted; what is noted of it lets rows be compared that nobody has
 * written since.
 */
export class Moment {
  snapshot: Snapshot | undefined;
  note: ComparisonSnapshotNote | undefined;
  /** A connection to the fallback, opened before customers wait. */
  ready: Db | undefined;
  /** The moment of a comparison that came too late: kept, so that each try of it sees the same. */
  later: Snapshot | undefined;
}

/** A server that restarts is waited for; the moment on the other one is kept meanwhile. */
const [waitMs, triesOfServer] = [2000, 60];

/** In the gap: production fenced, everything arrived, the fallback not open yet. */
export function comparisonSnapshotTaken(fallback: string, moment: Moment): Step {
  return {
    id: 'proof.moment',
    title: `Take a snapshot of ${fallback} for the comparison after reopening`,
    estimateSeconds: 1,
    patienceSeconds: 30,
    async observe({ view }) {
      if (view.verdict?.proof) return done('it has been compared already');
      return moment.snapshot && moment.note ? done(undefined, { note: moment.note }) : todo();
    },
    async act(context) {
      const ready = moment.ready?.broken ? undefined : moment.ready;
      moment.ready = undefined;
      moment.snapshot = await takeComparisonSnapshot(ready ?? (await context.connection(fallback)));
      moment.note = await noteComparisonSnapshot(moment.snapshot.db);
    },
  };
}

/**
 * Until it is done the rollback is "not yet proven". What was found is in the journal: a second look would see customers' writes beside it,
 * and could call equal what is not.
 */
export function equalityProven(production: string, fallback: string, moment: Moment): Step {
  return {
    id: proofStep,
    title: `Compare ${production} with the snapshot of ${fallback}: every row of the old schema`,
    estimateSeconds: 30,
    patienceSeconds: 6 * 3600,
    async observe({ view }) {
      const { verdict } = view;
      if (!verdict?.proof) return todo();
      const open = openFindings(view);
      const losses = open.filter(isLoss);
      const stopped = {
        is: 'failed',
        message: findingWords(open, verdict.files),
        state: `Customers are served on ${fallback}. ${production} stays, fenced, with rows that nobody else has: nothing is deleted before they are accepted by name.`,
        next: nextWhileOpen(view),
      } as const;
      if (losses.some(({ is }) => is === 'different')) return { ...stopped, code: 'proof.different' };
      if (losses.length > 0) return { ...stopped, code: 'proof.written-behind' };
      const proof = verdict.proof['proof'] as Proof | undefined;
      const said = [
        ...verdict.findings.map((one) => `${one.accepted ? `accepted by ${one.accepted.by.who}: ` : ''}${findingText(one)}`),
        ...(proof && verdict.findings.every((one) => !isLoss(one)) ? [words(proof)] : []),
      ];
      return done(said.join('; '), { ...(proof ? { proof } : {}), ...(verdict.findings.length > 0 ? { proven: false } : {}) });
    },
    async act(context) {
      if (context.view.verdict?.proof) return;
      const without = notComparable(context, moment);
      if (without) return context.found({ findings: [without], proof: {} });
      let shownAt = context.clock.elapsed();
      const show = (progress: Progress): void => {
        if (context.clock.elapsed() - shownAt < 2000) return;
        shownAt = context.clock.elapsed();
        void context.progress(compareWords(progress), compareShare(progress)).catch(() => undefined);
      };
      const sides = { production: () => context.connection(production), fallback: () => context.connection(fallback) };
      // counted from before the comparison: what it misses, the statistics have.
      const counted = await takeBaseline(await context.database(production));
      let proof: Proof | undefined;
      for (let tries = 1; !proof; tries += 1) {
        try {
          proof = await compared(context, sides, moment, show);
        } catch (error) {
          if (!(error instanceof ConnectionLost) || tries === triesOfServer) throw error;
          await context.progress(`compared again when both databases answer: ${error.message}`);
          await context.clock.pause(waitMs);
        }
      }
      await context.found(await judged(context, proof, { production, fallback, sides, moment, counted }));
      await moment.snapshot?.release().catch(() => undefined);
      await moment.later?.release().catch(() => undefined);
      moment.snapshot = undefined;
      moment.later = undefined;
    },
  };
}

/** Where there is nothing to compare, or nothing to compare by. */
function notComparable(context: Context, moment: Moment): Finding | undefined {
  if (!recordBefore(context))
    return {
      ...{ id: 'record:missing', is: 'unproven' },
      what: 'the window was opened by a version that recorded nothing to compare by; compare the databases by hand',
    };
  if (!moment.snapshot && !noted(context))
    return {
      ...{ id: 'moment:lost', is: 'unproven' },
      what: 'the moment was lost with the runner that kept it: nothing was compared; compare the databases by hand',
    };
  return undefined;
}

/** Of one table, so many keys are looked at: their statements are written, or they are counted. */
const mostKeys = 100_000;

interface Judging {
  readonly production: string;
  readonly fallback: string;
  readonly sides: Parameters<typeof prove>[0];
  readonly moment: Moment;
  readonly counted: unknown;
}

/** What the comparison means: findings with names, and the SQL that puts the rows in. */
async function judged(context: Context, proven: Proof, { production, fallback, ...on }: Judging): Promise<Omit<ProofFound, 'type'>> {
  // what came while it was compared, or to a table that had been, is told by its effect.
  const behind = await writtenBehind(context, production);
  const late = await sequencesBehind(await context.database(production), await context.database(fallback));
  const first = proven.comparison.tables.filter(({ equal }) => !equal);
  const gone = proven.since?.gone ?? [];
  const only = new Set([...first, ...gone].map(({ table }) => table));
  const closer =
    behind || only.size > 0 ? await closerLook(context, { sides: on.sides, moment: on.moment, ...(behind ? {} : { only }) }) : [];
  const differs = new Map(first.map((table) => [table.table, table]));
  // of a moment that is gone only the pairs are taken: the rows of now are others.
  if (on.moment.snapshot) for (const { table } of closer) if (!table.equal) differs.set(table.table, table);
  const different = [...differs.values()];
  const proof = withDifferences(proven, differs);
  const findings = [
    ...different.map((table) => differentFinding(table, production, fallback)),
    ...(!proven.equal && different.length === 0 ? [notEqual] : []),
    ...(behind ? [behind] : []),
    ...late.map((one) => sequenceFinding(one, production, fallback)),
    ...unproven(proof),
  ];
  const pairs = closer.map(({ pair }) => pair);
  const file = await differencesFile(context, { production, fallback, pairs, different, gone, late });
  return { findings, proof: { proof, counted: on.counted }, ...(file === undefined ? {} : { file }) };
}

/** More keys of what differs, and by what it was compared. That it cannot be had changes nothing about what was found. */
async function closerLook(
  context: Context,
  { sides, moment, only }: Pick<Judging, 'sides' | 'moment'> & { readonly only?: ReadonlySet<string> },
): Promise<{ pair: ProofPair; table: TableComparison }[]> {
  const kept = moment.snapshot ?? moment.later;
  if (!kept) return [];
  try {
    return await lookCloser(sides, kept, whatToCompare(context), { maxKeys: mostKeys, ...(only ? { only } : {}) });
  } catch (error) {
    await context.progress(`the rows that differ could not be looked at more closely: ${messageOf(error)}`);
    return [];
  }
}

/** With the moment for as long as it is there; without it, by what was noted of it. Never with what is written now. */
async function compared(
  context: Context,
  sides: Parameters<typeof prove>[0],
  moment: Moment,
  show: (progress: Progress) => void,
): Promise<Proof | undefined> {
  const what = whatToCompare(context);
  try {
    if (moment.snapshot) return await prove(sides, moment.snapshot, what, show);
  } catch (error) {
    if (!(error instanceof MomentLost)) throw error;
    moment.snapshot = undefined;
  }
  const note = moment.note ?? noted(context);
  if (!note) throw new Error('of a moment that is gone nothing was noted');
  if (!moment.later) {
    await context.progress('the moment was lost with the connection that kept it: rows that nobody has written since are compared');
    moment.later = await exportSnapshot(await sides.fallback());
  }
  try {
    return await proveAfterwards(sides, moment.later, note, what, show);
  } catch (error) {
    if (error instanceof MomentLost) moment.later = undefined;
    throw error;
  }
}

/** The record of the fork, and the team's word: what it declared, and what it accepted to lose. */
function whatToCompare(context: Context): PairingOptions {
  const { bookkeeping } = colorPart(context.manifest, context.window.to).migration;
  return {
    record: recordBefore(context)!,
    declared: declaredBy(context),
    // what only rows can tell is compared by the trial, and accepted when the cutover is typed.
    accepted: [...announced(context).map(({ id }) => id), ...everyAccepted(context, context.view.series.cutover?.acceptedLosses)],
    leftOut: (relation) => isBookkeeping(relation, bookkeeping),
  };
}

/** What would be lost, as it was said before the window opened: whatever nobody had accepted was refused. */
const announced = ({ view }: Pick<Context, 'view'>): SchemaDifference[] =>
  ((view.facts('form.classified')?.['differences'] as SchemaDifference[] | undefined) ?? []).filter(({ loses }) => loses !== undefined);

const noted = ({ view }: Pick<Context, 'view'>): ComparisonSnapshotNote | undefined =>
  view.facts('proof.moment')?.['note'] as ComparisonSnapshotNote | undefined;

/** As the journal keeps it: the first keys of each table. */
function withDifferences(proof: Proof, differs: ReadonlyMap<string, TableComparison>): Proof {
  const tables = proof.comparison.tables.map((table) => {
    const other = differs.get(table.table);
    return other ? { ...other, differences: other.differences.slice(0, 10) } : table;
  });
  const equal = proof.equal && differs.size === 0;
  return { ...proof, equal, comparison: { ...proof.comparison, equal, tables } };
}

const notEqual: Finding = {
  id: 'proof:different',
  is: 'different',
  what: 'the comparison says that they are not equal, of no table that it names',
};

function differentFinding(table: TableComparison, production: string, fallback: string): Finding {
  const rows = table.differences.length;
  const what = differenceWords({ tables: [table] }, production, fallback);
  return { id: `${table.table}:different`, is: 'different', what: rows > 5 ? `${what} (${rows} keys)` : what, rows };
}

const sequenceFinding = ({ sequence, given, there }: SequenceBehind, production: string, fallback: string): Finding => ({
  ...{ id: `sequence:${sequence}`, is: 'different' },
  what: `the sequence ${sequence} has given out ${given} on ${production} and is at ${there ?? 'its start'} on ${fallback}: it would hand out numbers again`,
});

/** What could not be told, each by its name; what was declared or accepted before is none of it. */
function unproven({ since, notProven = [] }: Proof): Finding[] {
  return [
    ...(since && since.changed > 0
      ? [
          {
            ...{ id: 'written-since-opening', is: 'unproven' as const, rows: since.changed },
            what: `for ${since.changed} rows that customers have written since the opening`,
          },
        ]
      : []),
    ...(since?.gone ?? []).map(
      ({ table, rows, keys, counted }): Finding => ({
        ...{ id: `${table}:gone`, is: 'unproven', rows },
        what: `rows are gone, deleted by customers since or never arrived: ${table}: ${rows} (${keys.join(', ')}${rows > keys.length ? ', …' : ''}), ${counted < rows ? `but only ${counted}` : counted} deletes and updates were counted`,
      }),
    ),
    ...(since?.tooMany ?? []).map(
      (table): Finding => ({
        ...{ id: `${table}:too-many`, is: 'unproven' },
        what: `too many rows have been written since to look at each: ${table}`,
      }),
    ),
    ...notProven
      .filter(({ known }) => !known)
      .map(
        ({ id, what, rows }): Finding => ({ ...{ id: `${id}:not-proven`, is: 'unproven', what }, ...(rows === undefined ? {} : { rows }) }),
      ),
  ];
}

/** Findings are said beside it, each with its name. */
function words({ comparison, notProven = [], since, byName = [] }: Proof): string {
  const tables = `${comparison.tables.length} tables`;
  const accepted = notProven.filter(({ known }) => known).map(({ what, rows }) => (rows === undefined ? what : `${what} (${rows} rows)`));
  return [
    since ? `equal, compared without the moment: ${tables}` : `equal: ${tables}`,
    ...(accepted.length > 0 ? [`not compared, as declared or accepted: ${accepted.join('; ')}`] : []),
    ...(byName.length > 0 ? [`paired by name: ${byName.join('; ')}`] : []),
  ].join('; ');
}

/** What the old schema could not hold, possibly nothing. */
export function lossReported(production: string, fallback: string): Step {
  return {
    id: 'loss.manifest',
    title: 'Report what the old schema could not hold: the loss manifest',
    estimateSeconds: 2,
    patienceSeconds: 600,
    async observe(context: Context) {
      const proof = context.view.facts('proof.equal')?.['proof'] as Proof | undefined;
      const record = recordBefore(context);
      const losses: Loss[] = await lossManifest(await context.database(production), await context.database(fallback), {
        ...(record ? { record } : {}),
        announced: announced(context).map(({ loses }) => loses!),
        deleted: deletedLosses(await deletedRows(await context.database(fallback), context.window.name), context.window.name),
        notPutBack: (context.view.facts('feed.unbridge')?.['notPutBack'] as string[] | undefined) ?? [],
        ...(proof ? { proof } : {}),
      });
      losses.push(...findingLosses(context, proof !== undefined));
      const words = losses.map(({ is, what, rows }) => `${is}: ${what}${rows === undefined ? '' : ` (${rows} rows)`}`);
      if (words.length > 0) await context.progress(words.join('\n'));
      const count = (which: Loss['is']): number => losses.filter(({ is }) => is === which).length;
      const [lost, untold] = [count('lost'), count('not proven')];
      const remarks = losses.length > 0 ? `; ${losses.length} remarks` : '';
      const said = [
        ...(lost > 0 ? [`${lost} losses`] : []),
        ...(untold > 0 ? [`not proven that nothing ${lost > 0 ? 'else ' : ''}is lost: ${untold} remarks`] : []),
      ];
      return done(said.length > 0 ? said.join('; ') : `nothing is lost${remarks}`, { losses });
    },
  };
}

/** What the proof has found beside its comparison, which the manifest reads by itself. */
function findingLosses({ view }: Context, isCompared: boolean): Loss[] {
  return (view.verdict?.findings ?? []).flatMap(({ id, is, what, rows }): Loss[] => {
    const counted = rows === undefined ? {} : { rows };
    if (is === 'written') return [{ is: 'lost', what, ...counted }];
    if (is === 'unproven' && (!isCompared || id.startsWith('written-behind:') || id.endsWith(':gone')))
      return [{ is: 'not proven', what, ...counted }];
    return [];
  });
}
