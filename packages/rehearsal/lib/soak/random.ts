/** Numbers from a seed: the same seed, the same numbers, on every machine. */
import { createHash } from 'node:crypto';

export class Random {
  private drawn = 0;

  constructor(private readonly seed: string) {}

  /** From 0 to below 1. */
  next(): number {
    this.drawn += 1;
    const hash = createHash('sha256').update(`${this.seed}\n${this.drawn}`).digest();
    return hash.readUIntBE(0, 6) / 2 ** 48;
  }

  /** True with the probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.next() * all.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }
}
