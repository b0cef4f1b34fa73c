/**
 * A kill run through one verb in which its run is killed at every call it has not been killed at before, and taken up by
 * another person each time: every point is killed once, in the time of one verb and a resume for each point.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, wallClock } from '../../../../lib/base/clock';
import { leaseSeconds } from '../../../../lib/engine/window-view';
import { handleRequest } from '../../../../lib/operations/handle-request';
import type { Reply, VerbRequest } from '../../../../lib/operations/request';
import type { Call } from './call-gate';
import { SimulatedProcess } from './simulated-process';

/** One place at which a process can end. */
export interface Point {
  readonly verb: string;
  readonly step: string;
  readonly call: Call;
  /** Which of several such calls of one step, in one run; all behind the second are one. */
  readonly ordinal: 1 | 2;
  readonly when: 'before' | 'after';
}

export const nameOf = ({ verb, step, call, ordinal, when }: Point): string =>
  `${verb} | ${step} | ${call.name}${ordinal === 1 ? '' : ' again'} | ${when}`;

export interface KillRunOptions {
  readonly system: string;
  /** Over all walks: where it has been killed. */
  readonly visited: Set<string>;
  /** Every call that changed something, in order, with its point's name. */
  readonly seen?: (point: Point) => void;
  /** Whether to kill at a point not visited yet. @default everywhere */
  readonly chosen?: (point: Point) => boolean;
  /** Ends the kill run by a kill that nobody takes up. */
  readonly leaveAt?: (point: Point) => boolean;
  /** Told of each kill. */
  readonly onKill: (killedAt: string) => void;
}

/** Wall time, moved on at every kill by as much as the dead run's lease holds the window. */
export class MovableClock implements Clock {
  /** Milliseconds. */
  ahead = 0;
  now(): number {
    return Date.now() + this.ahead;
  }
  elapsed(): number {
    return performance.now();
  }
  doubtful(): boolean {
    return false;
  }
  async pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
  every(ms: number, action: () => void): () => void {
    return wallClock.every(ms, action);
  }
  move(ms: number): void {
    this.ahead += ms;
  }
}

const people = ['ada', 'grace', 'eve'] as const;

export type Asked = Omit<VerbRequest, 'run' | 'by' | 'system'>;

/** Takes one verb to its end, or to where it is left; answers what it said last. */
export async function killRun(asked: Asked, clock: MovableClock, options: KillRunOptions): Promise<Reply | 'left'> {
  let killedAt: string | undefined;
  for (let attempt = 0; ; attempt += 1) {
    let left = false;
    const command = new Command(asked, options.system, attempt, (point) => {
      const name = nameOf(point);
      options.seen?.(point);
      left = options.leaveAt?.(point) ?? false;
      if (left) return 'die';
      if (options.visited.has(name) || !(options.chosen?.(point) ?? true)) return 'on';
      options.visited.add(name);
      options.onKill(name);
      killedAt = name;
      return 'die';
    });
    const reply = await command.run(clock);
    if (reply !== 'killed') return isAfterLastWord(killedAt, reply) ? { state: 'finished' } : reply;
    if (left) return 'left';
    clock.move((leaseSeconds + 1) * 1000);
  }
}

/** After the last word of a verb that closes its window there is nothing to resume, and typing it again is about the next one. */
const isAfterLastWord = (killedAt: string | undefined, reply: Reply): boolean =>
  /journal run\.finished \| after$/.test(killedAt ?? '') && reply.state === 'stopped' && /^window\.no/.test(reply.code);

/** What becomes of a process at a point: it goes on, it dies, or it sleeps until the promise is resolved. */
export type Decide = (point: Point, failed: boolean) => 'on' | 'die' | Promise<void>;

/** One command of one person: it asks as often as it is told to, and answers questions with go. */
export class Command {
  private step = '-';
  private readonly counts = new Map<string, number>();
  private readonly request: VerbRequest;

  constructor(
    asked: Asked,
    system: string,
    attempt: number,
    private readonly decide: Decide,
  ) {
    const who = people[attempt % people.length] ?? 'ada';
    this.request = { ...asked, system, run: randomUUID(), by: { who, where: `${who}@desk` } };
  }

  async run(clock: Clock): Promise<Reply | 'killed'> {
    const life = new SimulatedProcess(
      {
        before: (call) => this.before(call),
        after: (call, failed) => this.after(call, failed),
      },
      clock,
    );
    let more: Pick<VerbRequest, 'answer'> = {};
    for (;;) {
      const reply = await life.run(({ aws, clock: own }) =>
        handleRequest({ ...this.request, ...more }, { aws, clock: own, runner: 'terminal', deadline: Number.POSITIVE_INFINITY }),
      );
      if (reply === 'killed') return reply;
      if (reply.state === 'gate') more = { answer: { answer: 'go', reason: 'the killRun goes on' } };
      else if (reply.state === 'continue') more = {};
      else {
        life.end();
        return reply;
      }
    }
  }

  private before(call: Call): 'on' | 'die' | Promise<void> {
    if (call.event?.type === 'step.started' && call.event.step !== undefined) {
      this.step = call.event.step;
      this.counts.clear();
    }
    this.counts.set(call.name, (this.counts.get(call.name) ?? 0) + 1);
    return this.decide(this.point(call, 'before'), false);
  }

  private after(call: Call, failed: boolean): 'on' | 'die' {
    const fate = this.decide(this.point(call, 'after'), failed);
    if (call.event?.type === 'step.done') this.step = `${this.step} →`;
    return fate === 'die' ? 'die' : 'on';
  }

  private point(call: Call, when: Point['when']): Point {
    const ordinal = (this.counts.get(call.name) ?? 1) > 1 ? 2 : 1;
    const verb = this.request.undo ? `${this.request.verb} --undo` : this.request.verb;
    // a run takes each database once, in whatever step it first needs it.
    const step = call.name.includes('switchback.holder') ? '*' : this.step;
    return { verb, step, call, ordinal, when };
  }
}
