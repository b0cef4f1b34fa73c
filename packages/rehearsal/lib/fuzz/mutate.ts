/** Switches a fix off in a copy of the product, and counts the windows until one of them is another than it was. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from './generate';
import type { Mutation } from './mutations';
import { play } from './play';

export interface Found {
  readonly name: string;
  /** Windows, the one that shows it included; undefined: none did. */
  readonly after?: number;
  readonly seed?: number;
  readonly was?: string;
  readonly became?: string;
  readonly windows: number;
  readonly only?: string;
}

export interface MutateOptions {
  readonly root: string;
  readonly mutations: readonly Mutation[];
  /** Of the first window. */
  readonly seed: number;
  readonly windows: number;
  readonly onFound: (found: Found) => void;
}

/** At a time: servers are started for them. */
const some = 5;

export async function mutate({ root, mutations, seed: first, windows, onFound }: MutateOptions): Promise<void> {
  const seeds = Array.from({ length: windows }, (_, index) => first + index);
  const kindsOf = new Map(seeds.map((seed) => [seed, play(generate(seed)).kinds]));
  const asItIs = new Map<number, string>();
  for (const mutation of mutations) {
    const { name, by, only } = mutation;
    if (only !== undefined) {
      onFound({ name, windows, only });
      continue;
    }
    // a window without any of these kinds is the same with it and without it.
    const able = seeds.filter((seed) => !by || kindsOf.get(seed)!.some((kind) => by.includes(kind)));
    onFound({ name, windows, ...(await inCopy(root, mutation, (copy) => firstChanged(root, copy, able, asItIs, first))) });
  }
}

async function firstChanged(
  root: string,
  copy: string,
  seeds: readonly number[],
  asItIs: Map<number, string>,
  first: number,
): Promise<Partial<Found>> {
  for (let at = 0; at < seeds.length; at += some) {
    const these = seeds.slice(at, at + some);
    const unknown = these.filter((seed) => !asItIs.has(seed));
    for (const [seed, verdict] of await verdictsOf(root, unknown)) asItIs.set(seed, verdict);
    const good = these.filter((seed) => asItIs.get(seed) !== 'wrong');
    const changed = await verdictsOf(copy, good);
    const seed = good.find((one) => worse(asItIs.get(one)!, changed.get(one)));
    if (seed !== undefined) return { after: seed - first + 1, seed, was: asItIs.get(seed)!, became: changed.get(seed)! };
  }
  return {};
}

/** What was refused and goes through well is no loss. */
const worse = (was: string, became: string | undefined): boolean => became !== undefined && became !== was && became !== 'right';

async function inCopy<T>(root: string, { file, find, put }: Mutation, action: (copy: string) => Promise<T>): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'switchback-mutation-'));
  try {
    for (const part of ['lib', 'packages', 'package.json', 'tsconfig.json'])
      cpSync(join(root, part), join(copy, part), { recursive: true, filter: (from) => !from.includes('node_modules') });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const text = readFileSync(join(copy, file), 'utf8');
    const parts = text.split(find);
    if (parts.length !== 2) throw new Error(`${JSON.stringify(find)} stands ${parts.length - 1} times in ${file}`);
    writeFileSync(join(copy, file), parts.join(put));
    return await action(copy);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Runs these windows in a process of its own, with the code of that folder. */
function verdictsOf(folder: string, seeds: readonly number[]): Promise<Map<number, string>> {
  if (seeds.length === 0) return Promise.resolve(new Map());
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'packages/rehearsal/bin/fuzz.ts', '--json', '--no-shrink', '--seeds', ...seeds.map(String)],
      { cwd: folder, stdio: ['ignore', 'pipe', 2] },
    );
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    child.once('error', reject);
    child.once('close', () => {
      const events = text
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { event: string; seed: number; verdict: string }]));
      const judged = new Map(events.filter(({ event }) => event === 'fuzz.window').map(({ seed, verdict }) => [seed, verdict] as const));
      if (judged.size !== seeds.length) reject(new Error(`only ${judged.size} of ${seeds.length} windows were judged`));
      else resolve(judged);
    });
  });
}
