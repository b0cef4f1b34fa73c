/**
 * A window's journal: append-only, one object per event, created only if nobody has created that number before.
 * Whoever loses the race for a number reads it back; unless the nonce is its own it stops, so two runners can never
 * both go on.
 */
import type { Clock } from './clock';
import { exit, Stop } from './errors';
import type { EventBody, JournalEvent, Operator } from './events';

/** Where events are kept. lib/aws/journal-store.ts keeps them in S3. */
export interface JournalStore {
  /** Creates event `number`; answers false when it exists already. Never overwrites. */
  create(window: string, number: number, event: string): Promise<boolean>;
  /** The events from `from` on, in order, without a gap. */
  read(window: string, from: number): Promise<string[]>;
  /** Names of all windows, oldest first. */
  windows(): Promise<string[]>;
}

export class Journal {
  private readonly known: JournalEvent[] = [];

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
  async refresh(): Promise<JournalEvent[]> {
    const added = (await this.store.read(this.window, this.known.length + 1)).map((text) => JSON.parse(text) as JournalEvent);
    this.known.push(...added);
    return added;
  }

  /**
   * Writes the next event.
   * @throws Stop `journal.other-writer` when somebody else wrote that number: they are the writer now.
   */
  async append(run: string, by: Operator, body: EventBody): Promise<JournalEvent> {
    const event: JournalEvent = {
      ...body,
      number: this.known.length + 1,
      at: new Date(this.clock.now()).toISOString(),
      run,
      by,
      nonce: this.random(),
    };
    if (!(await this.store.create(this.window, event.number, JSON.stringify(event)))) {
      const [found] = await this.refresh();
      // the SDK's own retry of a create whose answer was lost is refused too: then the nonce is ours.
      if (found?.nonce !== event.nonce) {
        throw new Stop(
          'journal.other-writer',
          `event ${event.number} of ${this.window} was written by ${found ? `${found.by.who} on ${found.by.where}` : 'somebody else'}`,
          {
            state: 'Another run of this window is writing; this one changed nothing after its last event.',
            next: ['npm run status'],
            exit: exit.locked,
          },
        );
      }
      return found;
    }
    this.known.push(event);
    return event;
  }
}
