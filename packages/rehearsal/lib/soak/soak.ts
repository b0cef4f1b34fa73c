/** Window after window, each with a seed of its own: what `npm run soak` does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeBaseline, openToServers } from '../test-system/baseline';
import { soakWindow, type WindowResult } from './window';

export interface SoakOptions {
  /** The repository. */
  readonly root: string;
  /** Makes the command as one file: what is shipped, and what starts fast. */
  readonly bundle: (outfile: string) => void;
  /** Parent of the soak's own folder. */
  readonly temp: string;
  readonly runs: number;
  /** Of the first run; the next ones count up. */
  readonly seed: number;
  /** Windows at a time. */
  readonly jobs: number;
  /** Where the baseline lies, and stays. @default - made for this soak and removed with it */
  readonly baseline?: string;
  /** Leaves every run's folder behind, sandbox and databases included. */
  readonly keep: boolean;
  readonly onPhase: (phase: string) => void;
  readonly onLine: (source: string, line: string) => void;
  readonly onResult: (result: WindowResult) => void;
  readonly signal: AbortSignal;
}

export interface SoakResult {
  readonly results: readonly WindowResult[];
  /** Where the logs of runs that failed are; undefined when nothing was left. */
  readonly folder: string | undefined;
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { root, runs, seed, keep, onPhase, onResult, signal } = options;
  const folder = mkdtempSync(join(options.temp, 'switchback-soak-'));
  openToServers(folder);
  const baseline = options.baseline ?? join(folder, 'baseline');
  const results: WindowResult[] = [];
  const command = join(folder, 'switchback.js');
  let stays = keep;
  try {
    options.bundle(command);
    await makeBaseline({ root, folder: baseline, onPhase: (phase) => onPhase(`baseline: ${phase}`), onLine: options.onLine, signal });
    let next = 0;
    const worker = async () => {
      while (next < runs && !signal.aborted) {
        const mine = seed + next;
        next += 1;
        onPhase(`seed ${mine}`);
        const result = await soakWindow({ root, baseline, command, folder: join(folder, String(mine)), seed: mine, keep, signal });
        // a run that was broken off says nothing.
        if (signal.aborted) return;
        results.push(result);
        onResult(result);
      }
    };
    await Promise.all(Array.from({ length: Math.min(options.jobs, runs) }, worker));
    stays ||= results.some(({ passed }) => !passed);
  } finally {
    if (options.baseline === undefined) rmSync(baseline, { recursive: true, force: true });
    if (!stays) rmSync(folder, { recursive: true, force: true });
  }
  return { results, folder: stays ? folder : undefined };
}
