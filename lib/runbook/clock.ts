/** Time comes in as an argument: tests drive it, and nothing in a runbook reads the wall by itself. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since the epoch. Wall time: monotonic clocks stop in a suspended laptop, leases must not. */
  now(): number;
  /** Resolves after `ms`. */
  pause(ms: number): Promise<void>;
}

export const wallClock: Clock = { now: () => Date.now(), pause: (ms) => sleep(ms) };
