/** Time comes in as an argument: tests drive it, and nothing in a runbook reads the wall by itself. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the epoch: for moments that others compare with theirs, such as leases and hours. It may be set, and jump. */
  now(): number;
  /** Milliseconds by a clock that nobody sets, from any start: for how long something takes. It stands still in a sleeping machine. */
  elapsed(): number;
  /** The two have gone different ways since the time was last heard: the clock was set, or the machine has slept. Ask before relying on now(). */
  doubtful(): boolean;
  /** Resolves after `ms`. */
  pause(ms: number): Promise<void>;
  /** Does something every `ms`, until what is answered is called. */
  every(ms: number, action: () => void): () => void;
}

export const wallClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  doubtful: () => false,
  pause: (ms) => sleep(ms),
  every(ms, action) {
    // no reason for a process to stay.
    const timer = setInterval(action, ms).unref();
    return () => clearInterval(timer);
  },
};

/** Answers tell the time in whole seconds. */
const resolutionMs = 1000;
/** The two clocks of a machine drift apart by less than this between two answers. */
const driftMs = 2000;

/**
 * The one clock that all writers of a journal share is AWS's: every answer tells it. A machine whose own clock is wrong, or is set
 * while it runs, is put right by the next answer; so nobody takes a window because their clock is fast.
 */
export class SharedClock implements Clock {
  private offset = 0;
  private heardAt: { readonly wall: number; readonly elapsed: number } | undefined;

  constructor(private readonly own: Pick<Clock, 'now' | 'elapsed' | 'pause' | 'every'> = wallClock) {}

  now(): number {
    return this.own.now() + this.offset;
  }

  elapsed(): number {
    return this.own.elapsed();
  }

  doubtful(): boolean {
    if (!this.heardAt) return false;
    const { wall, elapsed } = this.heardAt;
    return Math.abs(this.own.now() - wall - (this.own.elapsed() - elapsed)) > driftMs;
  }

  pause(ms: number): Promise<void> {
    return this.own.pause(ms);
  }

  every(ms: number, action: () => void): () => void {
    return this.own.every(ms, action);
  }

  /** An answer that was made at `date` (milliseconds since the epoch) somewhere within the `tookMs` it took to come. */
  heard(date: number, tookMs: number): void {
    const now = this.now();
    // what lies within is as good as we can know; the nearest end of it otherwise.
    this.offset += Math.max(date, Math.min(now, date + resolutionMs + tookMs)) - now;
    this.heardAt = { wall: this.own.now(), elapsed: this.own.elapsed() };
  }
}
