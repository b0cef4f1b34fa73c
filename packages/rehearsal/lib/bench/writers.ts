/** The bench's side of its writers. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Ask, Tell, WriterSide } from './writer-process';

export interface WritersOptions {
  readonly writers: number;
  /** Transactions per second, over all writers. */
  readonly rate: number;
  readonly sides: readonly WriterSide[];
}

export interface WrittenIds {
  readonly acknowledged: readonly string[];
  readonly unknown: readonly string[];
}

export class Writers {
  private constructor(private readonly child: ChildProcess) {}

  static async start({ writers, rate, sides }: WritersOptions): Promise<Writers> {
    const child = fork(join(__dirname, 'writer-process.ts'), { execArgv: ['--import', 'tsx'] });
    const started = new Writers(child);
    started.ask({ ask: 'start', writers, rate, sides });
    await started.told('ready');
    return started;
  }

  /** Sends every new transaction to the other side; answers when the first one was acknowledged there (ms since the epoch). */
  async move(to: number): Promise<number> {
    const first = this.told('first');
    this.ask({ ask: 'move', to });
    return (await first).at;
  }

  /** Acknowledged transactions per second since the last call. */
  async rate(): Promise<number> {
    const counted = this.told('count');
    this.ask({ ask: 'count' });
    const { acknowledged, seconds } = await counted;
    return acknowledged / seconds;
  }

  async stop(): Promise<WrittenIds> {
    const stopped = this.told('stopped');
    this.ask({ ask: 'stop' });
    const { acknowledged, unknown } = await stopped;
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return { acknowledged, unknown };
  }

  /** For when the bench fails. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  private ask(message: Ask): void {
    this.child.send(message);
  }

  private told<T extends Tell['tell']>(kind: T): Promise<Extract<Tell, { tell: T }>> {
    return new Promise((resolve, reject) => {
      const exited = () => reject(new Error('the writers of the bench ended by themselves; what they said is above'));
      const heard = (message: Tell) => {
        if (message.tell !== kind) return;
        this.child.off('message', heard).off('exit', exited);
        resolve(message as Extract<Tell, { tell: T }>);
      };
      this.child.on('message', heard).once('exit', exited);
    });
  }
}
