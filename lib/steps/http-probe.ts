/** One GET as a customer would send it, on a connection of its own, to one address of the load balancer. */
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import type { FrontDoor } from '../aws/traffic';
import { messageOf } from '../base/errors';
import type { Context } from '../engine/context';
import type { Application } from '../manifest/schema';

export interface Answer {
  readonly status: number;
  readonly release: string | undefined;
  readonly commit: string | undefined;
  readonly body: string;
}

export interface Ask {
  readonly door: FrontDoor;
  /** The address of the door to use; its name otherwise. */
  readonly address?: string;
  readonly path: string;
  /** Host header, where the application has a host condition. */
  readonly host?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** @default 5000 */
  readonly limitMs?: number;
}

/** Every address behind the door's name: each is a load balancer node that may lag behind the others. */
async function addressesOf(door: FrontDoor): Promise<string[]> {
  return [...new Set((await lookup(door.host, { all: true })).map(({ address }) => address))];
}

/** @throws Error when there is no HTTP answer within the limit */
export function ask({ door, address, path, host, headers, limitMs = 5000 }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (door.tls ? https : http).request(
      {
        host: address ?? door.host,
        port: door.port,
        path,
        method: 'GET',
        agent: false,
        timeout: limitMs,
        headers: { ...headers, host: host ?? door.host, 'user-agent': 'switchback' },
        ...(door.tls ? { servername: host ?? door.host } : {}),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            release: header(response, 'x-release'),
            commit: header(response, 'x-commit'),
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${limitMs / 1000} seconds`)));
    request.on('error', reject);
    request.end();
  });
}

export interface Probe {
  /** How often in a row each is asked. @default 1 */
  readonly times?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Asks applications through every address of the load balancer; what `judge` says of the first answer that is not as it should be, with where it came from. */
export async function firstWrong(
  { aws, manifest }: Pick<Context, 'aws' | 'manifest'>,
  applications: readonly Application[],
  judge: (answer: Answer) => string | undefined,
  { times = 1, headers = {} }: Probe = {},
): Promise<string | undefined> {
  for (const door of await aws.traffic.frontDoors(manifest)) {
    for (const address of await addressesOf(door)) {
      for (const { name, proofPath: path, host } of applications) {
        const where = `${name} at ${address}:${door.port}${path}`;
        for (let time = 0; time < times; time += 1) {
          try {
            const wrong = judge(await ask({ door, address, path, host, headers }));
            if (wrong !== undefined) return `${where} ${wrong}`;
          } catch (error) {
            return `${where} did not answer: ${messageOf(error)}`;
          }
        }
      }
    }
  }
  return undefined;
}

function header(response: http.IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
