/** What a run of customers comes to, counted as the answers arrive: a run may last for days. */
import type { Kind, Outcome } from './outcome';

export interface Episode {
  readonly from: string;
  /** Undefined while it lasts. */
  readonly to?: string;
  readonly seconds: number;
  /** 503 answers in it: of the balancer (no `x-release`), and of an application, which is a write refused by the database. */
  readonly byBalancer: number;
  readonly byApplication: number;
}

export interface Summary {
  readonly seconds: number;
  readonly requests: number;
  readonly writes: { readonly acknowledged: number; readonly refused: number; readonly rejected: number; readonly unknown: number };
  readonly kinds: Readonly<Record<Kind, { readonly requests: number; readonly ok: number }>>;
  /** Of the paths that must never stop: anything but 200 within 2 s is a failure. */
  readonly openPath: {
    readonly requests: number;
    readonly failures: number;
    readonly slowestMs: number;
    readonly examples: readonly Outcome[];
  };
  /** The longest time without an acknowledged write, the time to the end of the run included. */
  readonly longestWriteGap: { readonly seconds: number; readonly from: string; readonly to: string };
  /** Each from the first 503 on a path that may be closed, to the first acknowledged write sent after it. */
  readonly maintenance: readonly Episode[];
  /** Who answered, in order of time; `open` are the paths that stay open, which move by themselves. */
  readonly releases: readonly ReleaseSeen[];
  /** Milliseconds from when a request was due, of those answered below 500: half and 99 of 100 were as fast or faster. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

export interface ReleaseSeen {
  readonly paths: 'open' | 'other';
  readonly release: string;
  readonly color: string;
  readonly from: string;
  readonly to: string;
  readonly answers: number;
}

/** Slower than this, a path that must never stop counts as stopped. */
const openPathLimitMs = 2000;
const mostExamples = 10;
/** More changes than this of who answers are not a story any more. */
const mostReleases = 200;

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Times = { fromMs: number; toMs: number };
type OpenEpisode = { fromMs: number; toMs?: number; byBalancer: number; byApplication: number };

const iso = (ms: number) => new Date(ms).toISOString();
const secondsOf = (ms: number) => Math.round(ms) / 1000;

export class Counting {
  private readonly writes = { acknowledged: 0, refused: 0, rejected: 0, unknown: 0 };
  private readonly kinds = Object.fromEntries(
    ['charge', 'signup', 'play', 'watch', 'read'].map((kind) => [kind, { requests: 0, ok: 0 }]),
  ) as Record<Kind, { requests: number; ok: number }>;
  private readonly open = { failures: 0, slowestMs: 0, examples: [] as Outcome[] };
  private readonly episodes: OpenEpisode[] = [];
  private readonly releases: (Pick<Writable<ReleaseSeen>, 'paths' | 'release' | 'color' | 'answers'> & Times)[] = [];
  /** Counts per millisecond up to ten seconds: exact enough, and never grows. */
  private readonly latency = new Uint32Array(10_001);
  private lastWrite: number;
  private gap: Times;

  constructor(private readonly start: number) {
    this.lastWrite = start;
    this.gap = { fromMs: start, toMs: start };
  }

  /** One outcome, which left at `sentAt` and ended `now`. */
  add(outcome: Outcome, sentAt: number, now: number): void {
    const kind = this.kinds[outcome.kind];
    kind.requests += 1;
    if (outcome.status >= 200 && outcome.status < 300) kind.ok += 1;
    if (outcome.status > 0 && outcome.status < 500) this.latency[Math.min(outcome.ms, 10_000)]! += 1;
    if (outcome.kind === 'watch') this.watched(outcome);
    else if (outcome.status === 503) this.closed(outcome, now);
    if (outcome.write) this.written(outcome.write, sentAt, now);
    if (outcome.release) this.answered(outcome, now);
  }

  private watched(outcome: Outcome): void {
    this.open.slowestMs = Math.max(this.open.slowestMs, outcome.ms);
    if (outcome.status === 200 && outcome.ms <= openPathLimitMs) return;
    this.open.failures += 1;
    if (this.open.examples.length < mostExamples) this.open.examples.push(outcome);
  }

  private closed(outcome: Outcome, now: number): void {
    let episode = this.episodes.at(-1);
    if (!episode || episode.toMs !== undefined) {
      episode = { fromMs: now, byBalancer: 0, byApplication: 0 };
      this.episodes.push(episode);
    }
    episode[outcome.release ? 'byApplication' : 'byBalancer'] += 1;
  }

  private written(write: NonNullable<Outcome['write']>, sentAt: number, now: number): void {
    this.writes[write] += 1;
    if (write !== 'acknowledged') return;
    if (now - this.lastWrite > this.gap.toMs - this.gap.fromMs) this.gap = { fromMs: this.lastWrite, toMs: now };
    this.lastWrite = now;
    const episode = this.episodes.at(-1);
    // a write that left before the door closed says nothing about its opening
    if (episode && episode.toMs === undefined && sentAt > episode.fromMs) episode.toMs = now;
  }

  private answered(outcome: Outcome, now: number): void {
    const paths = outcome.kind === 'watch' ? 'open' : 'other';
    const release = outcome.release ?? '';
    const color = outcome.color ?? '';
    const last = this.releases.findLast((seen) => seen.paths === paths);
    if (last && ((last.release === release && last.color === color) || this.releases.length >= mostReleases)) {
      last.toMs = now;
      last.answers += 1;
    } else {
      this.releases.push({ paths, release, color, answers: 1, fromMs: now, toMs: now });
    }
  }

  summary(now: number): Summary {
    const gap = now - this.lastWrite > this.gap.toMs - this.gap.fromMs ? { fromMs: this.lastWrite, toMs: now } : this.gap;
    const requests = Object.values(this.kinds).reduce((sum, kind) => sum + kind.requests, 0);
    return {
      seconds: secondsOf(now - this.start),
      requests,
      writes: { ...this.writes },
      kinds: structuredClone(this.kinds),
      openPath: { requests: this.kinds.watch.requests, ...this.open, examples: [...this.open.examples] },
      longestWriteGap: { seconds: secondsOf(gap.toMs - gap.fromMs), from: iso(gap.fromMs), to: iso(gap.toMs) },
      maintenance: this.episodes.map(({ fromMs, toMs, byBalancer, byApplication }) => ({
        from: iso(fromMs),
        ...(toMs === undefined ? {} : { to: iso(toMs) }),
        seconds: secondsOf((toMs ?? now) - fromMs),
        byBalancer,
        byApplication,
      })),
      releases: this.releases.map(({ fromMs, toMs, ...seen }) => ({ ...seen, from: iso(fromMs), to: iso(toMs) })),
      latencyMs: {
        p50: this.percentile(0.5),
        p99: this.percentile(0.99),
        max: Math.max(
          0,
          this.latency.findLastIndex((count) => count > 0),
        ),
      },
    };
  }

  private percentile(share: number): number {
    let left = this.latency.reduce((sum, count) => sum + count, 0) * share;
    return this.latency.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
  }
}
