/**
 * Terminals that fall asleep with a call on its way, are taken over, and wake up: the call arrives late, in a window that
 * others have gone on with. What each of them still did is counted, and how it ended.
 */
import type { Clock } from '../../../../lib/base/clock';
import { leaseSeconds } from '../../../../lib/engine/window-view';
import type { Reply } from '../../../../lib/operations/request';
import { type Asked, Command, type MovableClock, nameOf, type Point } from './kill-run';

/** One that woke up. */
export interface Woken {
  readonly point: Point;
  /** The step after which it woke up. */
  readonly wokeAfter: string;
  /** What the late call came to. */
  readonly late: 'done' | 'refused';
  /** Calls that changed something after the late one: there must be none. */
  readonly more: readonly string[];
  /** Of those, and of the late one, what changed a database that somebody else had taken by then. */
  readonly stolen: readonly string[];
  readonly reply: Reply | 'killed';
}

export interface Nap {
  /** Over how many done steps of others. */
  readonly steps: number;
  /** Only steps of this verb count. @default - all */
  readonly of?: string;
}

interface SuspendedProcess {
  readonly point: Point;
  readonly of: string | undefined;
  stepsLeft: number;
  readonly wake: () => void;
  readonly calls: { readonly name: string; readonly failed: boolean; readonly stolen: boolean }[];
  /** Databases that others have taken since: `production`, `fallback`. */
  readonly taken: Set<string>;
  readonly over: Promise<Reply | 'killed'>;
}

export interface SuspendedProcessOptions {
  readonly system: string;
  /** Whether a terminal falls asleep there, and for how long; asked once for each point. */
  readonly sleeps: (point: Point) => Nap | undefined;
  /** Stops of those who went on, as sentences: a late call may stop them, and the same command must then go on. */
  readonly onStop: (line: string) => void;
}

const notes = /^journal (stop\.asked|up-by\.set|gate\.answered|hold\.seen)$/;

/** More stops of one verb than this: it does not come to its end. */
const patience = 12;

export class SuspendedProcesses {
  readonly woken: Woken[] = [];
  private readonly asleep: SuspendedProcess[] = [];
  private readonly asked = new Set<string>();
  private readonly ending: Promise<void>[] = [];
  private attempt = 0;

  constructor(
    private readonly clock: MovableClock & Clock,
    private readonly options: SuspendedProcessOptions,
  ) {}

  /** Takes one verb to its end. Those who still sleep then go on sleeping, until steps of the next verb or `wakeAll`. */
  async killRun(asked: Asked): Promise<Reply> {
    for (let stops = 0; ; ) {
      const reply = await this.command(asked);
      if (reply === 'asleep' || reply === 'killed') {
        this.clock.move((leaseSeconds + 1) * 1000);
        continue;
      }
      if (reply.state !== 'stopped') return reply;
      stops += 1;
      this.options.onStop(`${asked.verb} stopped: ${reply.code}: ${reply.message}`);
      if (stops > patience) return reply;
    }
  }

  /** Whoever still sleeps wakes up; resolves when all of them have ended. */
  async wakeAll(): Promise<void> {
    for (const sleeper of this.asleep.splice(0)) this.awaken(sleeper, 'the end');
    await Promise.all(this.ending);
  }

  private async command(asked: Asked): Promise<Reply | 'asleep' | 'killed'> {
    this.attempt += 1;
    let sleeper: SuspendedProcess | undefined;
    const calls: SuspendedProcess['calls'] = [];
    let fallAsleep: () => void = () => undefined;
    const asleep = new Promise<'asleep'>((resolve) => {
      fallAsleep = () => resolve('asleep');
    });
    const command = new Command(asked, this.options.system, this.attempt, (point, failed) => {
      if (point.when === 'after') {
        const taking = failed ? undefined : /^sql (\S+) COMMIT of INSERT INTO switchback\.holder/.exec(point.call.name)?.[1];
        if (sleeper) {
          const database = /^sql (\S+)/.exec(point.call.name)?.[1];
          calls.push({ name: point.call.name, failed, stolen: !failed && database !== undefined && sleeper.taken.has(database) });
        } else if (taking) for (const other of this.asleep) other.taken.add(taking);
        if (!sleeper && point.call.event?.type === 'step.done') this.stepDone(point);
        return 'on';
      }
      const name = nameOf(point);
      if (sleeper || this.asked.has(name)) return 'on';
      this.asked.add(name);
      const nap = this.options.sleeps(point);
      if (nap === undefined) return 'on';
      return new Promise((wake) => {
        sleeper = { point, of: nap.of, stepsLeft: nap.steps, wake, calls, taken: new Set(), over };
        this.asleep.push(sleeper);
        fallAsleep();
      });
    });
    const over = command.run(this.clock);
    return Promise.race([over, asleep]);
  }

  private stepDone({ verb, call }: Point): void {
    for (const sleeper of [...this.asleep]) {
      if (sleeper.of !== undefined && sleeper.of !== verb) continue;
      sleeper.stepsLeft -= 1;
      if (sleeper.stepsLeft >= 0) continue;
      this.asleep.splice(this.asleep.indexOf(sleeper), 1);
      this.awaken(sleeper, `${verb} ${call.event?.step ?? ''}`);
    }
  }

  private awaken({ point, wake, calls, over }: SuspendedProcess, wokeAfter: string): void {
    wake();
    this.ending.push(
      over.then((reply) => {
        const [late, ...rest] = calls;
        // notes are anybody's, at any time: they take no window.
        const more = rest.filter(({ failed, name }) => !failed && !notes.test(name)).map(({ name }) => name);
        const stolen = calls.filter((call) => call.stolen).map(({ name }) => name);
        this.woken.push({ stolen, point, wokeAfter, late: late && !late.failed ? 'done' : 'refused', more, reply });
      }),
    );
  }
}
