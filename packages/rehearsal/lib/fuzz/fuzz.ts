/** Runs windows: as databases of one forked pair, and every twentieth by a fork of its own. The only file here that knows the product. */
import { type Tried, tryAll } from '../../../../lib/operations/try';
import { startPair } from '../../../sandbox/lib/postgres/pair';
import { type GenerateOptions, generate } from './generate';
import { differences, drawnOtherwise } from './judge';
import { hazards } from './kinds';
import { type Played, play } from './play';
import { shrink } from './shrink';

export interface Case {
  readonly seed: number;
  /** What the shrinker has struck out. */
  readonly without?: ReadonlySet<string>;
}

export type Verdict = 'right' | 'refused' | 'wrong';

export interface Judged extends Case {
  readonly verdict: Verdict;
  /** Of what is wrong: the same again is the same fault. */
  readonly fault: string;
  readonly differences: readonly string[];
  readonly played: Played;
  readonly seconds: number;
}

export interface Tally {
  generated: number;
  right: number;
  refused: number;
  wrong: number;
}

export interface FuzzOptions extends GenerateOptions {
  readonly seeds: readonly number[];
  /** Pairs of servers at a time. */
  readonly jobs: number;
  readonly onJudged: (judged: Judged) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

export interface FuzzResult {
  readonly judged: readonly Judged[];
  readonly tally: ReadonlyMap<string, Tally>;
}

/** So many windows share a pair of servers; the next one has a fork of its own. */
const together = 19;

export async function fuzz({ seeds, jobs, kind, onJudged, signal }: FuzzOptions): Promise<FuzzResult> {
  const batches: Case[][] = [];
  for (let at = 0; at < seeds.length; ) {
    const size = batches.length % 2 === 0 ? together : 1;
    batches.push(seeds.slice(at, at + size).map((seed) => ({ seed })));
    at += size;
  }
  const judged: Judged[] = [];
  const work = async (): Promise<void> => {
    for (let batch = batches.shift(); batch && !signal?.aborted; batch = batches.shift())
      for (const one of await runTogether(batch, { kind })) {
        judged.push(one);
        await onJudged(one);
      }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return { judged, tally: tallyOf(judged) };
}

export function tallyOf(judged: readonly Judged[]): Map<string, Tally> {
  const tally = new Map<string, Tally>();
  const known = new Set(hazards.map(({ name }) => name));
  for (const { played, verdict } of judged) {
    // what may be refused says nothing of the others.
    const risky = played.kinds.filter((name) => known.has(name));
    for (const kind of risky.length > 0 && verdict !== 'wrong' ? risky : played.kinds) {
      const row = tally.get(kind) ?? { generated: 0, right: 0, refused: 0, wrong: 0 };
      row.generated += 1;
      row[verdict] += 1;
      tally.set(kind, row);
    }
  }
  return new Map([...tally].sort(([a], [b]) => a.localeCompare(b)));
}

/** The smallest window with the same fault, as far as leaving things out makes it. */
export async function shrunk({ seed, fault }: Judged, options: GenerateOptions = {}): Promise<Judged> {
  const run = (candidates: readonly ReadonlySet<string>[]) =>
    runTogether(
      candidates.map((without) => ({ seed, without })),
      options,
    );
  const without = await shrink(generate(seed, options), async (candidates) =>
    (await run(candidates)).map((one) => one.verdict === 'wrong' && one.fault === fault),
  );
  return (await run([without]))[0]!;
}

/** Each through a window of its own, all of one pair of servers. */
export async function runTogether(cases: readonly Case[], options: GenerateOptions = {}): Promise<Judged[]> {
  const played = cases.map(({ seed, without }) => play(generate(seed, options), without));
  const servers = await startPair({ feeds: cases.length });
  try {
    const tried = new Map<string, Tried>();
    await tryAll(
      played.map((one, index) => tryingOf(`${index}`, one)),
      { servers, elapsed: () => performance.now(), onTried: (one) => void tried.set(one.id, one) },
    );
    const judged: Judged[] = [];
    for (const [index, one] of cases.entries()) {
      const outcome = tried.get(`${index}`)!;
      const found: string[] = [];
      if (outcome.outcome === 'lossless') found.push(...(await comparedWithModel(servers, `try_${index + 1}`, played[index]!)));
      judged.push({ ...one, ...verdictOf(outcome, found), played: played[index]!, seconds: outcome.seconds });
    }
    return judged;
  } finally {
    await servers.end();
  }
}

function comparedWithModel(
  servers: Awaited<ReturnType<typeof startPair>>,
  database: string,
  { old, now, drawn }: Played,
): Promise<string[]> {
  return servers.asSuperuser('replica', database, (fallback) =>
    servers.asSuperuser('primary', database, async (production) => {
      const [there, here] = [fallback, production].map((session) => (sql: string) => session.query(sql));
      return [
        ...(await differences(there!, old, 'fallback')),
        ...(await differences(here!, now, 'production')),
        ...(await drawnOtherwise(there!, here!, drawn)),
      ];
    }),
  );
}

function verdictOf({ outcome, at, differences: told }: Tried, found: readonly string[]): Pick<Judged, 'verdict' | 'fault' | 'differences'> {
  if (outcome === 'lossless')
    return found.length === 0
      ? { verdict: 'right', fault: '', differences: [] }
      : { verdict: 'wrong', fault: `lossless, but not ${found[0]!.split(':')[0]}`, differences: found };
  if (outcome === 'refused') return { verdict: 'refused', fault: '', differences: told };
  const [code] = /^[a-z-]+\.[a-z.-]+(?=:)/.exec(told[0] ?? '') ?? [''];
  return { verdict: 'wrong', fault: `${outcome} at ${at} ${code}`, differences: told };
}

function tryingOf(id: string, played: Played): Parameters<typeof tryAll>[0][number] {
  const list = (sql: readonly string[]) => sql.map((text, index) => ({ line: index + 1, sql: text }));
  return {
    ...{ id, superuserBefore: list(played.superuserBefore), before: list(played.before), superuserAfter: list(played.superuserAfter) },
    ...{ meanwhile: list(played.meanwhile), migrate: list(played.migrate), declared: played.declared, accepted: played.accepted },
    ...{ writes: list(played.writes), superuserInHold: list(played.superuserInHold), backWrites: list(played.backWrites) },
  };
}
