/**
 * A window's journal: append-only, one object per event, created only if nobody has created that number before.
 * Whoever loses the race for a number reads it back; unless the nonce is its own it stops, so two runners can never
 * both go on.
 */
import { readAdvice, say, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import { type JournalStore, retryMs } from '../base/journal-store';
import { type EventBody, isNote, type JournalEvent, type Operator } from './events';
import { windowTakenOver } from './lease';

export class Journal {
  private readonly known: JournalEvent[] = [];
  /** Settles when the look or write before the next one is over: two at once would want the same number. */
  private last: Promise<unknown> = Promise.resolve();
  /** The run that has written here. */
  private writer: string | undefined;
  /** What somebody else wrote after it. Once it has been read the next number is free, and would no longer stop that run. */
  private theirs: JournalEvent | undefined;

  constructor(
    private readonly store: JournalStore,
    readonly window: string,
    private readonly clock: Clock,
    private readonly random: () => string,
  ) {}

  /** All events known so far, oldest first. */
  get events(): readonly JournalEvent[] {
    return this.known;
  }

  /** Reads what was added since the last look, by anybody; answers the new ones. */
  refresh(): Promise<JournalEvent[]> {
    return this.inTurn(() => this.look());
  }

  private async look(): Promise<JournalEvent[]> {
    const added = (await this.store.read(this.window, this.known.length + 1)).map(read);
    this.known.push(...added);
    if (this.writer !== undefined) this.theirs ??= added.find((event) => !isNote(event) && event.run !== this.writer);
    return added;
  }

  /** The same, where it can be read now and something is known already: a write finds out what a look has missed. */
  glance(): Promise<void> {
    return this.inTurn(() => this.lookIfPossible());
  }

  private async lookIfPossible(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      if (this.known.length === 0) throw error;
    }
  }

  /**
   * Writes the next event, as the window's writer.
   * @throws Stop `journal.other-writer` when another writer wrote that number: they are the writer now.
   */
  append(run: string, by: Operator, body: EventBody): Promise<JournalEvent> {
    return this.inTurn(() => this.write(run, by, body));
  }

  private async write(run: string, by: Operator, body: EventBody): Promise<JournalEvent> {
    for (;;) {
      if (this.theirs) throw otherWriter(this.theirs, this.window);
      const { event, added } = await this.tryNext(run, by, body);
      if (!added) {
        this.writer = run;
        return event;
      }
      // the SDK's own retry of a create whose answer was lost is refused too: then the nonce is ours.
      const mine = added.find(({ nonce }) => nonce === event.nonce);
      const other = added.find((each) => each !== mine && !isNote(each));
      if (other) {
        this.theirs ??= other;
        throw otherWriter(other, this.window);
      }
      if (mine) {
        this.writer = run;
        return mine;
      }
      // the next number is tried; a store that refuses a number which it does not have is nobody's note.
      if (added.length === 0) throw otherWriter(undefined, this.window);
    }
  }

  /** Writes a note, after whatever anybody else writes. */
  note(run: string, by: Operator, body: EventBody): Promise<JournalEvent> {
    return this.inTurn(async () => {
      for (;;) {
        await this.lookIfPossible();
        const { event, added } = await this.tryNext(run, by, body);
        const mine = added ? added.find(({ nonce }) => nonce === event.nonce) : event;
        if (mine) return mine;
      }
    });
  }

  /** Tries to write the next number; `added` is what stands there instead, when somebody was faster. */
  private async tryNext(run: string, by: Operator, body: EventBody): Promise<{ event: JournalEvent; added?: readonly JournalEvent[] }> {
    // its time is what others judge by: a clock that was set is put right first, by looking.
    const added = this.clock.doubtful() ? await this.look().catch(() => []) : [];
    const event: JournalEvent = {
      ...body,
      number: this.known.length + 1,
      at: new Date(this.clock.now()).toISOString(),
      run,
      by,
      nonce: this.random(),
    };
    if (added.length > 0) return { event, added };
    const text = JSON.stringify(event);
    for (let tries = 0; ; tries += 1) {
      try {
        if (!(await this.store.create(this.window, event.number, text))) return { event, added: await this.look() };
        this.known.push(event);
        return { event };
      } catch (error) {
        if (error instanceof Stop) throw error;
        const pause = retryMs[tries];
        if (pause === undefined) throw unwritten(event, this.window, tries + 1, error);
        await this.clock.pause(pause);
        // the same event again, nonce included: if it has arrived after all, the number is taken, and by us.
      }
    }
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.last.then(action);
    this.last = result.catch(() => undefined);
    return result;
  }
}

function read(text: string): JournalEvent {
  const event = JSON.parse(text) as JournalEvent;
  return event.type === 'run.stopped' ? { ...event, next: readAdvice(event.next) } : event;
}

const unwritten = (event: JournalEvent, window: string, tries: number, cause: unknown): Stop =>
  new Stop(
    'journal.unwritable',
    `event ${event.number} of ${window} (${event.type}) could not be written in ${tries} tries: ${messageOf(cause)}`,
    {
      state:
        'The run stopped there: nothing is changed that the journal has not been told of. What was asked of AWS before goes on by itself.',
      next: [
        say`look at the journal bucket and at the rights of whoever ran this, then the same command again`,
        say`when customers cannot wait: ${switchback('rollback', '--traffic-only')} (needs no journal)`,
      ],
      cause,
    },
  );

export function otherWriter(event: JournalEvent | undefined, window: string): Stop {
  if (event?.type === 'run.started') return windowTakenOver(window, event);
  return new Stop(
    'journal.other-writer',
    event
      ? `event ${event.number} of ${window} was written by ${event.by.who} on ${event.by.where} at ${event.at}`
      : `an event of ${window} was written by somebody else`,
    {
      state: 'Another run of this window is writing; this one changed nothing after its last event.',
      next: [switchback('status')],
      exit: exit.locked,
    },
  );
}
