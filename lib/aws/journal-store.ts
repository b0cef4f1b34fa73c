/**
 * The journal's events as objects in S3: `journal/<system>/<window>/000017.json`, created with If-None-Match. They never
 * change, so what has been read or written once is remembered: the next invocation of a warm runner reads only what is new.
 */
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { sameAgain, say, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { messageOf, Stop } from '../base/errors';
import { type JournalStore, retryMs } from '../base/journal-store';
import type { Clients } from './clients';
import { explain } from './explain';
import { isAws, isPassing, mutate } from './outcome';

export class S3JournalStore implements JournalStore {
  private readonly remembered = new Map<string, string[]>();

  constructor(
    private readonly clients: Pick<Clients, 's3'>,
    private readonly bucket: string,
    private readonly system: string,
    private readonly clock: Pick<Clock, 'elapsed' | 'pause'>,
    /** Told when the journal cannot be read for more than a second. */
    private readonly say: (text: string) => void,
  ) {}

  async create(window: string, number: number, event: string): Promise<boolean> {
    const key = this.key(window, number);
    const put = () =>
      mutate(`s3 PutObject ${key}`, `aws s3 ls s3://${this.bucket}/${key}`, () =>
        this.clients.s3.send(
          new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: event, ContentType: 'application/json', IfNoneMatch: '*' }),
        ),
      );
    try {
      await put();
      const known = this.known(window);
      if (number === known.length + 1) known.push(event);
      return true;
    } catch (error) {
      // 409 answers two creates under way at once: one of them wins, so the answer is whatever is there afterwards.
      if (isAws(error, 'PreconditionFailed', 'ConditionalRequestConflict')) return false;
      throw error;
    }
  }

  async keep(window: string, name: string, text: string): Promise<string> {
    const key = `journal/${this.system}/${window}/${name}`;
    const address = `s3://${this.bucket}/${key}`;
    await mutate(`s3 PutObject ${key}`, `aws s3 ls ${address}`, () =>
      this.clients.s3.send(new PutObjectCommand({ Bucket: this.bucket, Key: key, Body: text, ContentType: 'text/plain; charset=utf-8' })),
    );
    return address;
  }

  read(window: string, from: number): Promise<string[]> {
    const look = () => this.readNow(window, from);
    // a verb begins by reading everything, and is nothing without it; a later look for news that fails is made again anyway.
    return from === 1 ? this.patiently(`of ${window}`, look) : look();
  }

  private async readNow(window: string, from: number): Promise<string[]> {
    const known = this.known(window);
    // whoever begins anew makes sure that it is still the same journal: somebody may have put another one in its place.
    if (from <= known.length && (await this.get(window, known.length)) !== known.at(-1)) known.length = 0;
    // a look for news is one request; a whole night, thousands of events, is read many at a time.
    for (let together = 1, next = known.length + 1; ; together = Math.min(64, together * 2)) {
      const found = await Promise.all(Array.from({ length: together }, (_, i) => this.get(window, next + i)));
      for (const event of found) {
        if (event === undefined) return known.slice(from - 1);
        // at its number: two looks at once find the same events.
        known[next - 1] = event;
        next += 1;
      }
    }
  }

  private known(window: string): string[] {
    const known = this.remembered.get(window) ?? [];
    this.remembered.set(window, known);
    return known;
  }

  private async get(window: string, number: number): Promise<string | undefined> {
    try {
      const { Body: body } = await this.clients.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key: this.key(window, number) }));
      return (await body?.transformToString()) ?? '';
    } catch (error) {
      if (isAws(error, 'NoSuchKey', 'NotFound')) return undefined;
      throw error;
    }
  }

  async windows(): Promise<string[]> {
    const prefix = `journal/${this.system}/`;
    const names: string[] = [];
    let token: string | undefined;
    do {
      const list = new ListObjectsV2Command({
        ...{ Bucket: this.bucket, Prefix: prefix, Delimiter: '/' },
        ...(token ? { ContinuationToken: token } : {}),
      });
      const page = await this.patiently(`of ${this.system}`, () => this.clients.s3.send(list));
      for (const { Prefix: found } of page.CommonPrefixes ?? []) if (found) names.push(found.slice(prefix.length, -1));
      token = page.NextContinuationToken;
    } while (token);
    return names.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  }

  /** Reading changes nothing: it is tried as often as a write. */
  private async patiently<T>(whose: string, read: () => Promise<T>): Promise<T> {
    const from = this.clock.elapsed();
    let said = false;
    for (let tries = 0; ; tries += 1) {
      try {
        return await read();
      } catch (error) {
        if (!isPassing(error) || explain(error) instanceof Stop) throw error;
        const pause = retryMs[tries];
        if (pause === undefined) throw unreadable(whose, this.bucket, tries + 1, error);
        if (!said && this.clock.elapsed() - from + pause > 1000) {
          this.say(`the journal ${whose} could not be read (${messageOf(error)}); trying again`);
          said = true;
        }
        await this.clock.pause(pause);
      }
    }
  }

  private key(window: string, number: number): string {
    return `journal/${this.system}/${window}/${String(number).padStart(6, '0')}.json`;
  }
}

const unreadable = (whose: string, bucket: string, tries: number, cause: unknown): Stop =>
  new Stop('journal.unreadable', `the journal ${whose} in ${bucket} could not be read in ${tries} tries: ${messageOf(cause)}`, {
    state: 'Nothing was begun.',
    next: [sameAgain, say`when customers cannot wait: ${switchback('rollback', '--traffic-only')} (needs no journal)`],
    cause,
  });
