/** A sandbox without a server, for the tests of one service: real tables in a folder of its own, nothing on the network. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentFor } from '../lib/environment';
import type { ThingFaultKind } from '../lib/faults/kinds';
import type { Sandbox, Service } from '../lib/service';
import type { ServiceName } from '../lib/service-names';
import { State } from '../lib/state';

const lent = { accessKeyId: 'ASIATINY', secretAccessKey: 'tiny', sessionToken: 'tiny' };

type Factory = (sandbox: Sandbox) => Service;

export interface TinySandbox extends Sandbox {
  readonly lines: string[];
  /** A fault, at once. */
  faultNow(kind: ThingFaultKind, target: string, seconds?: number): Promise<string | undefined>;
  /** Stops the services and forgets what is in memory; the folder stays, as with a sandbox that is started again. */
  restart(): Promise<TinySandbox>;
  /** Stops the services; `restart` brings them back. */
  stopServices(): Promise<void>;
  stop(): Promise<void>;
}

export async function tinySandbox(
  factories: Partial<Record<ServiceName, Factory>>,
  options: { speed?: number; folder?: string } = {},
): Promise<TinySandbox> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'switchback-tiny-'));
  const speed = options.speed ?? 1000;
  const state = new State(join(folder, 'state'));
  const timers = new Set<NodeJS.Timeout>();
  const services = new Map<string, Service>();
  const lines: string[] = [];
  const guarded = async (action: () => void | Promise<void>) => {
    try {
      await action();
    } catch (error) {
      lines.push(String(error));
    }
  };
  const halt = async () => {
    for (const timer of timers) clearTimeout(timer);
    for (const service of services.values()) await service.stop?.();
  };
  const sandbox: TinySandbox = {
    account: '000000000000',
    region: 'eu-central-1',
    folder,
    speed,
    images: undefined,
    endpoint: () => 'http://localhost:1',
    environment: () => environmentFor(sandbox.endpoint(), lent),
    lend: (seconds) => ({ ...lent, expires: Date.now() + seconds * 1000 }),
    async call(service, operation, input) {
      const handler = services.get(service)?.handlers[operation];
      if (!handler) throw new Error(`no ${service} ${operation} in this test`);
      return await handler(input, { endpoint: sandbox.endpoint() });
    },
    table: (name) => state.table(name),
    after(seconds, action) {
      const timer = setTimeout(() => void guarded(action), (seconds / speed) * 1000);
      timers.add(timer);
    },
    every(seconds, action) {
      let busy = false;
      timers.add(
        setInterval(
          () => {
            if (busy) return;
            busy = true;
            void guarded(action).then(() => {
              busy = false;
            });
          },
          Math.max(20, (seconds / speed) * 1000),
        ),
      );
    },
    pause: (seconds) => new Promise((resolve) => timers.add(setTimeout(resolve, (seconds / speed) * 1000))),
    fault: () => undefined,
    log: (line) => void lines.push(line),
    arn: (service, rest) => `arn:aws:${service}:eu-central-1:000000000000:${rest}`,
    id: (length) => randomBytes(length).toString('hex').slice(0, length),
    lines,
    faultNow: async (kind, target, seconds = 20) => {
      const able = [...services.values()].find(({ faults }) => faults?.[kind]);
      return able?.faults?.[kind]?.(target, seconds);
    },
    stopServices: halt,
    async restart() {
      await halt();
      return tinySandbox(factories, { speed, folder });
    },
    async stop() {
      await halt();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  for (const [name, make] of Object.entries(factories)) services.set(name, make(sandbox));
  for (const service of services.values()) await service.start?.();
  return sandbox;
}

/** Asks until the answer is there; tests wait for conditions, never for a time. */
export async function eventually<T>(ask: () => T | undefined | false | Promise<T | undefined | false>, seconds = 20): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not so after ${seconds} s: ${ask.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
