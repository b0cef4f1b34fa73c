/** Cases that are taken through windows on a forked pair, before the tests of a file look at what became of them. */
import { type Tried, tryAll } from '../../lib/operations/try';
import { type Case, readCases, tryingOf } from '../../lib/operations/try/case';
import { startPair } from '../../packages/sandbox/lib/postgres/pair';

export interface TriedCases {
  /** Those that this PostgreSQL knows (`SWITCHBACK_POSTGRES_MAJOR`), and that are wanted. */
  readonly cases: readonly Case[];
  /** By their ids, once the tests begin. */
  readonly tried: ReadonlyMap<string, Tried>;
}

export interface TryOptions {
  /** Which of them. @default all */
  readonly wanted?: (id: string) => boolean;
  /** For all of them together. @default that of the suite */
  readonly limitMs?: number;
}

export function tryCases(json: string, { wanted = () => true, limitMs }: TryOptions = {}): TriedCases {
  const major = Number(process.env['SWITCHBACK_POSTGRES_MAJOR'] ?? 17);
  const cases = readCases(json).filter(({ id, postgres }) => postgres <= major && wanted(id));
  const tried = new Map<string, Tried>();
  beforeAll(async () => {
    const servers = await startPair({ major, feeds: cases.length });
    try {
      await tryAll(cases.map(tryingOf), { servers, elapsed: () => performance.now(), onTried: (one) => tried.set(one.id, one) });
    } finally {
      await servers.end();
    }
  }, limitMs);
  return { cases, tried };
}
