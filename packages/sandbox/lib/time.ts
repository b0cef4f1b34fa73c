/** AWS time on this machine: every duration divided by one factor, and nothing left ticking after a stop. */

export class SandboxTime {
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly waiting = new Set<(reason: Error) => void>();
  private stopped = false;

  constructor(
    private readonly speed: number,
    private readonly log: (line: string) => void,
  ) {}

  after(awsSeconds: number, action: () => void | Promise<void>): void {
    this.in(this.scaled(awsSeconds), () => void this.run(action));
  }

  every(awsSeconds: number, action: () => void | Promise<void>): void {
    const gap = Math.max(20, this.scaled(awsSeconds));
    // the next turn is set after the last has ended: never two at a time.
    const turn = (): void => this.in(gap, () => void this.run(action).then(turn));
    turn();
  }

  pause(awsSeconds: number): Promise<void> {
    if (this.stopped) return Promise.reject(new Error('the sandbox has stopped'));
    return new Promise((resolve, reject) => {
      this.waiting.add(reject);
      this.in(this.scaled(awsSeconds), () => {
        this.waiting.delete(reject);
        resolve();
      });
    });
  }

  stop(): void {
    this.stopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    for (const reject of this.waiting) reject(new Error('the sandbox has stopped'));
    this.waiting.clear();
  }

  private scaled(awsSeconds: number): number {
    return (awsSeconds * 1000) / this.speed;
  }

  private in(milliseconds: number, action: () => void): void {
    if (this.stopped) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, milliseconds);
    this.timers.add(timer);
  }

  private async run(action: () => void | Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!this.stopped) this.log(`background work failed: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}
