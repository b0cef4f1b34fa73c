/** Customers of the database bench, in a process of their own, so that measuring and writing do not wait for each other. */
import { Client, type ClientConfig } from 'pg';

/** What the bench asks of the writers. */
export type Ask =
  | { readonly ask: 'start'; readonly writers: number; readonly rate: number; readonly sides: readonly WriterSide[] }
  /** From now on every new transaction goes to that side. */
  | { readonly ask: 'move'; readonly to: number }
  /** How many were acknowledged since the last count. */
  | { readonly ask: 'count' }
  | { readonly ask: 'stop' };

/** Where and as whom to write, and in which form: one statement that takes an id and a number. */
export interface WriterSide {
  readonly at: ClientConfig;
  readonly statement: string;
}

export type Tell =
  | { readonly tell: 'ready' }
  | { readonly tell: 'count'; readonly acknowledged: number; readonly seconds: number }
  /** Milliseconds since the epoch at which the first write after a move was acknowledged. */
  | { readonly tell: 'first'; readonly at: number }
  | { readonly tell: 'stopped'; readonly acknowledged: readonly string[]; readonly unknown: readonly string[] };

const acknowledged: string[] = [];
const unknown: string[] = [];
let side = 0;
let running = false;
let waitsForFirst = false;
let counted = { acknowledged: 0, at: performance.now() };
let writing: Promise<void>[] = [];

const now = (): number => performance.timeOrigin + performance.now();
const tell = (message: Tell): void => void process.send?.(message);

async function write(worker: number, sides: readonly WriterSide[], everyMs: number): Promise<void> {
  // a connection to each side, open beforehand: both colors keep theirs.
  const clients = await Promise.all(
    sides.map(async ({ at }) => {
      const client = new Client(at);
      client.on('error', () => undefined);
      await client.connect();
      return client;
    }),
  );
  let due = performance.now() + Math.random() * everyMs;
  for (let n = 1; running; n += 1) {
    // an id belongs to one attempt: a refused one is never tried again under the same name.
    const id = `${process.pid}-${worker}-${n}`;
    const where = side;
    try {
      await clients[where]?.query({ name: 'write', text: sides[where]?.statement ?? '', values: [id, worker] });
      acknowledged.push(id);
      if (waitsForFirst && where === side) {
        waitsForFirst = false;
        tell({ tell: 'first', at: now() });
      }
    } catch (error) {
      // refused by the fence: nothing was written. Anything else may have been.
      if ((error as { code?: string }).code !== '42501') unknown.push(id);
    }
    // whoever is late does not hurry after: customers do not either.
    due = Math.max(due + everyMs, performance.now());
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
  }
  await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
}

// a bench that was killed must not leave its customers behind.
process.once('disconnect', () => process.exit());
process.on('message', (message: Ask) => {
  switch (message.ask) {
    case 'start':
      running = true;
      writing = Array.from({ length: message.writers }, (_, worker) =>
        write(worker, message.sides, (1000 * message.writers) / message.rate),
      );
      tell({ tell: 'ready' });
      break;
    case 'move':
      side = message.to;
      waitsForFirst = true;
      break;
    case 'count': {
      const at = performance.now();
      tell({ tell: 'count', acknowledged: acknowledged.length - counted.acknowledged, seconds: (at - counted.at) / 1000 });
      counted = { acknowledged: acknowledged.length, at };
      break;
    }
    case 'stop':
      running = false;
      void Promise.allSettled(writing).then(() => {
        const stopped: Tell = { tell: 'stopped', acknowledged, unknown };
        // tens of thousands of ids: only once they are all sent.
        process.send?.(stopped, () => process.disconnect());
      });
  }
});
