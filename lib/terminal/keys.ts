/** Keys that are typed into a live view do nothing: no echo in its lines, and no answer to a question that is asked later. */

/** What of `process.stdin` is used. */
export interface KeysIn {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (keys: Buffer) => void): unknown;
  removeListener(event: 'data', listener: (keys: Buffer) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** A terminal that takes keys as they come makes no signal of them any more. */
const signals: Readonly<Record<string, NodeJS.Signals>> = { '\u0003': 'SIGINT', '\u001c': 'SIGQUIT', '\u001a': 'SIGTSTP' };

export class MutedKeys {
  private muted = false;
  private readonly swallow = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) {
      const signal = signals[key];
      if (!signal) continue;
      // stopped or ended by it, the shell has its terminal back as it was.
      if (signal !== 'SIGINT' || process.listenerCount('SIGINT') === 0) this.give();
      this.raise(signal);
    }
  };
  private readonly again = (): void => void this.take();

  constructor(
    private readonly keys: KeysIn = process.stdin,
    private readonly raise: (signal: NodeJS.Signals) => void = (signal) => process.kill(process.pid, signal),
  ) {}

  /** From here on nothing typed is seen. */
  take(): this {
    if (this.muted || this.keys.isTTY !== true || !this.keys.setRawMode) return this;
    this.muted = true;
    this.keys.setRawMode(true);
    this.keys.on('data', this.swallow);
    this.keys.resume();
    process.on('SIGCONT', this.again);
    return this;
  }

  /** The keyboard is somebody's for as long as they ask. */
  async lend<T>(ask: () => Promise<T>): Promise<T> {
    const was = this.muted;
    this.give();
    try {
      return await ask();
    } finally {
      if (was) this.take();
    }
  }

  end(): void {
    this.give();
    process.removeListener('SIGCONT', this.again);
  }

  private give(): void {
    if (!this.muted) return;
    this.muted = false;
    this.keys.removeListener('data', this.swallow);
    this.keys.pause();
    this.keys.setRawMode?.(false);
  }
}
