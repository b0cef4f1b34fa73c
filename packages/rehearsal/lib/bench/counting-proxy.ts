/** Stands between a program and the sandbox, and notes every call with the moment its answer was passed on. */
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  /** `SetRulePriorities` */
  readonly operation: string;
  readonly status: number;
  /** `performance.now()` of this process when the answer had been passed on. */
  readonly at: number;
}

export interface CountingProxy {
  readonly endpoint: string;
  /** Answers the calls since the last time. */
  take(): Call[];
  stop(): Promise<void>;
}

export async function countingProxy(target: string): Promise<CountingProxy> {
  let calls: Call[] = [];
  const { hostname, port } = new URL(target);
  const server = createServer((asked, answer) => {
    const body: Buffer[] = [];
    asked.on('data', (piece: Buffer) => body.push(piece));
    asked.on('end', () => {
      const text = Buffer.concat(body);
      // the sandbox refuses requests that were sent to another host.
      const headers = { ...asked.headers, host: `${hostname}:${port}` };
      const passed = request({ hostname, port, path: asked.url, method: asked.method, headers }, (found) => {
        answer.writeHead(found.statusCode ?? 502, found.headers);
        found.pipe(answer);
        answer.once('finish', () => {
          calls.push({ operation: operationOf(asked, text.toString()), status: found.statusCode ?? 0, at: performance.now() });
        });
      });
      passed.once('error', () => answer.destroy());
      passed.end(text);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const taken = calls;
      calls = [];
      return taken;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** The query protocol names it in the body, the JSON protocols in a header. */
function operationOf({ headers, method, url }: IncomingMessage, body: string): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.split('.').at(-1) ?? target;
  return new URLSearchParams(body).get('Action') ?? `${method} ${url}`;
}
