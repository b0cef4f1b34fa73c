/**
 * A process inside this process: the code of one run, with a door in front of everything it does to the world. What is
 * killed there goes on waiting for ever and its sockets are gone, which is all that SIGKILL shows to the outside: no
 * `finally` of it runs, no answer reaches it, nothing more of it is sent.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { type Aws, makeAws } from '../../../../lib/aws';
import type { Clock } from '../../../../lib/base/clock';
import { awsCall, type Call, sqlCall } from './call-gate';

/** Asked at every call that changes something, before it is sent and after its answer has come. */
export interface CallGate {
  /** A promise puts the whole process to sleep until it is resolved, with the call on its way. */
  before(call: Call): 'on' | 'die' | Promise<void>;
  after(call: Call, failed: boolean): 'on' | 'die';
}

interface Sent {
  readonly commandName?: string;
}

interface AwsClient {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: never) => Promise<unknown>, context: Sent) => (args: never) => Promise<unknown>,
      options: { step: 'finalizeRequest'; priority: 'low'; name: string },
    ): void;
  };
  destroy(): void;
}

type Query = (...args: unknown[]) => Promise<unknown>;

const lives = new AsyncLocalStorage<SimulatedProcess>();

export class SimulatedProcess {
  /** Resolved when it is killed. */
  readonly death: Promise<'killed'>;
  readonly aws: Aws;
  readonly clock: Clock;
  private readonly clients: AwsClient[];
  private readonly connections = new Set<Client>();
  /** What a transaction has changed last, by connection. */
  private readonly unfinished = new WeakMap<Client, string>();
  private dead = false;
  private asleep: Promise<void> | undefined;
  private strike: (how: 'killed') => void = () => undefined;

  constructor(
    private readonly gate: CallGate,
    clock: Clock,
  ) {
    patchPg();
    this.death = new Promise((resolve) => {
      this.strike = resolve;
    });
    this.aws = makeAws();
    // each of its own, with sockets of its own.
    this.clients = Object.values(this.aws['clients'] as object) as AwsClient[];
    for (const client of this.clients) this.guard(client);
    this.clock = {
      now: () => clock.now(),
      elapsed: () => clock.elapsed(),
      doubtful: () => false,
      pause: async (ms) => {
        await sleep(ms);
        await this.pass();
      },
      every: (ms, action) => clock.every(ms, () => void this.pass().then(action)),
    };
  }

  /** What the run answers, unless it is killed. */
  run<T>(action: (life: SimulatedProcess) => Promise<T>): Promise<T | 'killed'> {
    return Promise.race([lives.run(this, () => action(this)), this.death]);
  }

  /** Closes what an ended process would have closed. */
  end(): void {
    for (const client of this.clients) client.destroy();
  }

  private kill(): Promise<never> {
    this.dead = true;
    for (const connection of this.connections) socketOf(connection).destroy();
    this.end();
    this.strike('killed');
    return this.never();
  }

  private async sleep(until: Promise<void>): Promise<void> {
    this.asleep = until.then(() => {
      this.asleep = undefined;
    });
    await this.asleep;
  }

  private never(): Promise<never> {
    return new Promise(() => undefined);
  }

  private async pass(): Promise<void> {
    if (this.dead) await this.never();
    while (this.asleep) await this.asleep;
  }

  private async through<T>(call: Call, send: () => Promise<T>): Promise<T> {
    await this.pass();
    if (call.changes) {
      const fate = this.gate.before(call);
      if (fate === 'die') return this.kill();
      if (fate !== 'on') await this.sleep(fate);
    }
    await this.pass();
    const answer = await send().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await this.pass();
    if (call.changes && this.gate.after(call, 'error' in answer) === 'die') return this.kill();
    if ('error' in answer) throw answer.error;
    return answer.value;
  }

  /** Innermost, so that each attempt of the SDK is a call of its own. */
  private guard(client: AwsClient): void {
    client.middlewareStack.add(
      (next, { commandName = '' }) =>
        (args) => {
          const { input } = args as { input: { Key?: string } };
          const send = () => next(args);
          return this.through(
            awsCall(commandName, input),
            commandName === 'GetObjectCommand' ? () => remembered(input.Key ?? '', send as () => Promise<Answer>) : send,
          );
        },
      { step: 'finalizeRequest', priority: 'low', name: 'switchbackKillPoint' },
    );
  }

  query(connection: Client, send: Query, args: unknown[]): Promise<unknown> {
    const [text, values] = args;
    const call = sqlCall(connection, String(text), values, this.unfinished.get(connection));
    if (/^\s*(commit|rollback|begin)\b(?!\s+to\b)/i.test(String(text))) this.unfinished.delete(connection);
    else if (call.changes) this.unfinished.set(connection, call.name.replace(/^sql (\S+ )?/, ''));
    return this.through(call, () => send.apply(connection, args));
  }

  async connect(connection: Client, send: Query, args: unknown[]): Promise<unknown> {
    await this.pass();
    this.connections.add(connection);
    connection.once('end', () => this.connections.delete(connection));
    const answer = send.apply(connection, args);
    await answer.catch(() => undefined);
    await this.pass();
    return answer;
  }
}

interface Answer {
  readonly output: { Body?: { transformToString(): Promise<string> }; $metadata: object };
}

const events = new Map<string, string>();

/** An event of a journal never changes: reading hundreds of them again after every kill would be most of a kill run. */
async function remembered(key: string, send: () => Promise<Answer>): Promise<Answer> {
  const known = events.get(key);
  if (known !== undefined) return { output: { Body: { transformToString: async () => known }, $metadata: {} } };
  const answer = await send();
  const text = await answer.output.Body?.transformToString();
  if (text === undefined) return answer;
  events.set(key, text);
  return { ...answer, output: { ...answer.output, Body: { transformToString: async () => text } } };
}

/** A journal of another site has events of the same names. */
export function forgetEvents(): void {
  events.clear();
}

const socketOf = (connection: Client): { destroy(): void } =>
  (connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;

let isPatched = false;

/** Connections know no process: which one a statement belongs to is told by who waits for it. */
function patchPg(): void {
  if (isPatched) return;
  isPatched = true;
  const prototype = Client.prototype as unknown as Record<'query' | 'connect', Query>;
  const { query, connect } = prototype;
  prototype.query = function (this: Client, ...args) {
    const life = lives.getStore();
    return life ? life.query(this, query, args) : query.apply(this, args);
  };
  prototype.connect = function (this: Client, ...args) {
    const life = lives.getStore();
    return life ? life.connect(this, connect, args) : connect.apply(this, args);
  };
}
