/**
 * Customers of the video host: a traffic generator that keeps to its schedule whatever the answers do, and writes
 * every outcome to a file before it counts it. What it calls acknowledged, the auditor must find in the database.
 *
 *   npx tsx examples/video/customers.ts --url http://127.0.0.1:8080 --rate 20 --file acks.jsonl
 */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { inspect, parseArgs } from 'node:util';
import type { Kind, Outcome } from './outcome';
import { Counting, type Summary } from './summary';

export type { Kind, Outcome };

export interface CustomersClock {
  /** Milliseconds since 1970, never stepping back. */
  now(): number;
  /** Calls `action` after `ms`; the result cancels it. */
  after(ms: number, action: () => void): () => void;
}

export interface CustomersOptions {
  /** The load balancer. */
  readonly url: string;
  /** Requests per second. */
  readonly rate: number;
  /** Where the outcomes go, one JSON object per line; appended to. */
  readonly file: string;
  /** Shares of the traffic; they need not add up to anything. @default - see `usualMix` */
  readonly mix?: Readonly<Record<Kind, number>>;
  /** People and videos that exist, numbered from 1. @default - those of release 1.0.0's first migrations */
  readonly users?: number;
  readonly videos?: number;
  /** No answer within this time: the request is given up. @default 5000 */
  readonly timeoutMs?: number;
  /** Start of every ref, unique per run, or the auditor would see duplicates. @default - random */
  readonly run?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** @default - this machine's */
  readonly clock?: CustomersClock;
  /** Numbers from 0 to below 1. @default Math.random */
  readonly random?: () => number;
  /** Told every outcome after it is in the file. */
  readonly onOutcome?: (outcome: Outcome) => void;
}

export interface Customers {
  /** As of now. */
  summary(): Summary;
  /** Sends nothing more, waits for the answers under way, closes the file. */
  stop(): Promise<Summary>;
}

/** More watching than anything, as on a real video host; enough writes to see every second without one. */
export const usualMix: Readonly<Record<Kind, number>> = { watch: 40, read: 15, charge: 20, play: 20, signup: 5 };

const systemClock: CustomersClock = {
  now: () => performance.timeOrigin + performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

interface Wish {
  readonly kind: Kind;
  readonly path: string;
  readonly ref?: string;
  readonly user?: number;
  readonly cents?: number;
  readonly video?: number;
  readonly body?: object;
}

export function startCustomers(options: CustomersOptions): Customers {
  const { rate, clock = systemClock, random = Math.random, mix = usualMix, users = 200, videos = 300, timeoutMs = 5000 } = options;
  if (!(rate > 0)) throw new Error(`the rate must be above 0 requests per second, not ${rate}`);
  if (!URL.canParse(options.url)) throw new Error(`the url must be one like http://127.0.0.1:8080, not ${JSON.stringify(options.url)}`);
  const url = new URL(options.url);
  const run = options.run ?? randomBytes(4).toString('hex');
  const secure = url.protocol === 'https:';
  // No limit on connections: a customer does not wait for another one's answer. Idle ones are closed from this side
  // well before a balancer would close them, or a request could meet a connection that is just being closed.
  const Agent = secure ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, timeout: 5000 });
  const file = openSync(options.file, 'a');
  const start = clock.now();
  const counting = new Counting(start);
  const underway = new Set<Promise<void>>();
  let sent = 0;
  let broken: Error | undefined;
  let stopped: Promise<Summary> | undefined;
  let cancel = () => {};

  const shares = Object.entries(mix) as [Kind, number][];
  const total = shares.reduce((sum, [, share]) => sum + share, 0);
  const upTo = (most: number) => 1 + Math.floor(random() * most);

  function choose(drawn: number): Kind {
    let upToHere = 0;
    for (const [kind, share] of shares) {
      upToHere += share;
      if (drawn < upToHere) return kind;
    }
    return 'watch';
  }

  function wish(n: number): Wish {
    const kind = choose(random() * total);
    const ref = `${run}-${n}`;
    switch (kind) {
      case 'charge': {
        const body = { user: upTo(users), cents: upTo(5000), ref };
        return { kind, path: '/api/charges', ...body, body };
      }
      case 'play': {
        const body = { video: upTo(videos), ref };
        return { kind, path: '/api/plays', ...body, body };
      }
      case 'signup': {
        const email = `${ref}@example.com`;
        return { kind, path: '/signup', ref: email, body: { name: `Customer ${ref}`, email } };
      }
      case 'watch':
        return { kind, path: `/watch/${upTo(videos)}` };
      case 'read':
        return { kind, path: random() < 0.5 ? '/' : `/api/videos/${upTo(videos)}` };
    }
  }

  // Open loop: the n-th request leaves n/rate seconds after the start. A late timer sends all that are due, and their
  // time still counts from when they were due: a server that stalls cannot slow down its own measurement.
  function tick(): void {
    const now = clock.now();
    for (let due = start + (sent * 1000) / rate; due <= now; due = start + (sent * 1000) / rate) {
      sent += 1;
      const one = send(wish(sent), due)
        .catch((error: Error) => {
          broken ??= error;
        })
        .finally(() => underway.delete(one));
      underway.add(one);
    }
    // without the file the run proves nothing
    if (broken) return;
    cancel = clock.after(Math.max(0, start + (sent * 1000) / rate - clock.now()), tick);
  }

  async function send({ body, ...wanted }: Wish, due: number): Promise<void> {
    const sentAt = clock.now();
    const answer = await ask(wanted.path, body);
    const outcome: Outcome = {
      at: new Date(due).toISOString(),
      ...wanted,
      ...answer,
      ms: Math.round(clock.now() - due),
      ...(body ? { write: writeOutcome(answer.status) } : {}),
    };
    // in the file before it is counted: what a summary says was acknowledged, the auditor knows of
    writeSync(file, `${JSON.stringify(outcome)}\n`);
    counting.add(outcome, sentAt, clock.now());
    options.onOutcome?.(outcome);
  }

  function ask(path: string, body: object | undefined): Promise<Pick<Outcome, 'status' | 'release' | 'color' | 'error'>> {
    return new Promise((resolve) => {
      const text = body && JSON.stringify(body);
      const headers = {
        ...options.headers,
        ...(text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}),
      };
      const request = (secure ? httpsRequest : httpRequest)(
        new URL(path, url),
        { agent, method: body ? 'POST' : 'GET', headers },
        (response) => {
          let start = '';
          response.on('data', (chunk: Buffer) => {
            if (start.length < 200) start += chunk.toString('utf8', 0, 200);
          });
          response.on('error', failed);
          response.on('end', () => {
            giveUp();
            const status = response.statusCode ?? 0;
            const said = (name: string) => response.headers[name] as string | undefined;
            const release = said('x-release');
            const color = said('x-color');
            resolve({
              status,
              ...(release ? { release } : {}),
              ...(color ? { color } : {}),
              ...(status >= 400 ? { error: start.trim().slice(0, 200) } : {}),
            });
          });
        },
      );
      const failed = (error: NodeJS.ErrnoException) => {
        giveUp();
        resolve({ status: 0, error: error.code ?? error.message });
      };
      const giveUp = clock.after(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      request.on('error', failed);
      request.end(text);
    });
  }

  async function finish(): Promise<Summary> {
    cancel();
    await Promise.all(underway);
    agent.destroy();
    closeSync(file);
    if (broken) throw new Error(`outcomes could not be written to ${options.file}: ${broken.message}`);
    return counting.summary(clock.now());
  }

  tick();
  return {
    summary: () => counting.summary(clock.now()),
    stop: () => {
      stopped ??= finish();
      return stopped;
    },
  };
}

function writeOutcome(status: number): Outcome['write'] {
  if (status >= 200 && status < 300) return 'acknowledged';
  if (status === 503) return 'refused';
  return status >= 300 && status < 500 ? 'rejected' : 'unknown';
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      rate: { type: 'string', default: '20' },
      file: { type: 'string', default: 'acks.jsonl' },
      seconds: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help || !values.url) {
    const usage = 'npx tsx examples/video/customers.ts --url http://127.0.0.1:8080 [--rate 20] [--file acks.jsonl] [--seconds 60] [--json]';
    (values.help ? console.log : console.error)(
      `${values.help ? '' : '--url is missing: the address of the load balancer\n'}usage: ${usage}`,
    );
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const customers = startCustomers({ url: values.url, rate: Number(values.rate), file: values.file });
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    if (values.seconds) timer = setTimeout(resolve, Number(values.seconds) * 1000);
  });
  clearTimeout(timer);
  const summary = await customers.stop();
  console.log(values.json ? JSON.stringify(summary) : inspect(summary, { depth: 5, breakLength: 140 }));
  process.exitCode = summary.openPath.failures > 0 ? 1 : 0;
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exit(2);
  });
}
