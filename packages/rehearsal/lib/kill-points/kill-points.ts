/** Every kill point of every path, counted; what is broken comes out as sentences. */

import { nameOf, type Point } from './kill-run';
import { lot, type Scenario, SystemUnderTest } from './scenarios';
import { TestSystem, type TestSystemOptions } from './test-system';

export interface KillOptions extends Omit<TestSystemOptions, 'baseline'> {
  /** Of a system on the eve of a window. */
  readonly baseline: string;
  /** The share of points that is killed at, from 0 to 1; which ones, the seed says. */
  readonly share: number;
  readonly seed: number;
  /** Only points whose names match: a kill run in parts. */
  readonly match?: RegExp;
  /**
   * Walks again to the points that an undisturbed run meets and a resumed one had no need of, so that each is killed at.
   * It takes a kill run without kills, and one more for each step of such points.
   */
  readonly complete: boolean;
  readonly onKill: (path: string, killedAt: string) => void;
  readonly onVerb: (path: string, line: string) => void;
  readonly signal?: AbortSignal;
}

export interface ScenarioResult {
  readonly path: string;
  /** Kills by verb. */
  readonly kills: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
  readonly acknowledged: number;
  /** Looks of the observer that told everything. */
  readonly looks: number;
  /** Points of an undisturbed run at which it was not killed. */
  readonly missed: readonly string[];
  /** Changing calls by kind, in how many points. */
  readonly kinds: readonly string[];
  readonly seconds: number;
}

const rounds = 4;

export async function walkScenario(path: Scenario, options: KillOptions): Promise<ScenarioResult> {
  const from = performance.now();
  const kills: Record<string, number> = {};
  const problems: string[] = [];
  const killed = new Set<string>();
  const kinds = new Set<string>();
  let acknowledged = 0;
  let looks = 0;
  const once = async (chosen: (point: Point) => boolean): Promise<ReadonlySet<string>> => {
    const site = await TestSystem.start({ ...options, baseline: path.from === 'eve' ? options.baseline : undefined });
    const night = new SystemUnderTest(site, {
      chosen,
      onKill: (verb, killedAt) => {
        kills[verb] = (kills[verb] ?? 0) + 1;
        killed.add(killedAt);
        options.onKill(path.name, killedAt);
      },
      onVerb: (line) => options.onVerb(path.name, line),
      onCall: ({ call }) => kinds.add(call.kind),
    });
    try {
      if (path.from === 'eve') {
        await site.openDoors();
        site.watch();
      }
      await Promise.race([path.killRun(night), abortOf(options.signal)]);
    } catch (error) {
      problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      const seen = await site.end();
      problems.push(...night.problems, ...seen.problems);
      acknowledged += seen.acknowledged;
      looks += seen.looks;
    }
    return night.met;
  };
  const isChosen = (name: string) => (options.match?.test(name) ?? true) && lot(name, options.seed) < options.share;
  const undisturbed = options.complete ? await once(() => false) : new Set<string>();
  const wanted = [...undisturbed].filter(isChosen);
  let missed: string[] = wanted;
  for (let round = 0; round === 0 || (round < rounds && missed.length > 0 && problems.length === 0); round += 1) {
    const left = new Set(missed);
    await once((point) => (round === 0 ? isChosen(nameOf(point)) : left.has(nameOf(point))));
    missed = wanted.filter((name) => !killed.has(name));
  }
  return {
    path: path.name,
    kills,
    problems,
    acknowledged,
    looks,
    missed,
    kinds: [...kinds].sort(),
    seconds: (performance.now() - from) / 1000,
  };
}

function abortOf(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
  });
}
