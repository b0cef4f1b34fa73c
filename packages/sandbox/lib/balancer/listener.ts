/** A listener: HTTP/1.1 on 127.0.0.1 and, where there is one, ::1. Every request is routed by the rules of its moment. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { freePort } from '../ports';
import { answerError, answerFixed, answerRedirect } from './answers';
import type { RequestFacts } from './conditions';
import { forward, forwardUpgrade, type Way } from './forward';
import type { Route } from './routes';
import type { TargetGroup } from './target-group';

export interface Routing {
  /** As the node behind the first or the second address has them: in order of priority; the last one matches everything. */
  routes(second: boolean): readonly Route[];
  group(arn: string): TargetGroup | undefined;
  idleMs(): number;
}

export class Listener {
  private servers: Server[] = [];
  private readonly upgraded = new Set<Socket>();

  constructor(private readonly routing: Routing) {}

  /** Listens on the wanted port, or on a free one when it is privileged or taken; resolves to the port. */
  async listen(wanted: number): Promise<number> {
    for (let port = wanted >= 1024 ? wanted : await freePort(); ; port = await freePort()) {
      const main = await this.open('127.0.0.1', port);
      if (!main) continue;
      const second = await this.open('::1', port).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT') return main;
        throw error;
      });
      if (second) {
        this.servers = [...new Set([main, second])];
        return port;
      }
      main.close();
    }
  }

  get port(): number {
    return (this.servers[0]?.address() as AddressInfo | null)?.port ?? 0;
  }

  /** No new connections; requests in flight finish. */
  async close(): Promise<void> {
    await Promise.all(
      this.servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeIdleConnections();
          }),
      ),
    );
  }

  /** Cuts every connection. */
  async stop(): Promise<void> {
    const closed = this.close();
    for (const server of this.servers) server.closeAllConnections();
    for (const socket of this.upgraded) socket.destroy();
    await closed;
  }

  /** Undefined when the port is taken. */
  private open(host: string, port: number): Promise<Server | undefined> {
    const server = createServer({ requestTimeout: 0, keepAlive: true, noDelay: true }, (request, response) =>
      this.handle(request, response, host === '::1'),
    );
    server.keepAliveTimeout = this.routing.idleMs();
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => this.upgrade(request, socket, head, host === '::1'));
    server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nserver: awselb/2.0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      else socket.destroy();
    });
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
      server.listen({ host, port, ipv6Only: host === '::1', backlog: 1024 }, () => {
        server.removeAllListeners('error');
        resolve(server);
      });
    });
  }

  private handle(request: IncomingMessage, response: ServerResponse, second: boolean): void {
    const facts = factsOf(request);
    const route = this.routing.routes(second).find((candidate) => candidate.matches(facts));
    switch (route?.action.Type) {
      case 'fixed-response':
        answerFixed(request, response, route.action.FixedResponseConfig ?? { StatusCode: '503' });
        break;
      case 'redirect':
        answerRedirect(request, response, route.action.RedirectConfig ?? { StatusCode: 'HTTP_302' }, facts, this.port);
        break;
      default: {
        const way = route && this.wayFor(route, facts);
        if (way) forward(request, response, way);
        else answerError(request, response, 503);
      }
    }
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer, second: boolean): void {
    const facts = factsOf(request);
    const route = this.routing.routes(second).find((candidate) => candidate.matches(facts));
    const way = route?.action.Type === 'forward' ? this.wayFor(route, facts) : undefined;
    if (!way)
      return void socket.end('HTTP/1.1 503 Service Unavailable\r\nserver: awselb/2.0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    this.upgraded.add(socket);
    socket.on('close', () => this.upgraded.delete(socket));
    forwardUpgrade(request, socket, head, way);
  }

  private wayFor(route: Route, facts: RequestFacts): Way | undefined {
    const target = this.routing.group(route.nextGroup() ?? '')?.next();
    return target && { target, sourceIp: facts.sourceIp, port: this.port, idleMs: this.routing.idleMs() };
  }
}

function factsOf(request: IncomingMessage): RequestFacts {
  const url = request.url ?? '/';
  const mark = url.indexOf('?');
  return {
    method: request.method ?? 'GET',
    host: (request.headers.host ?? '').replace(/:\d+$/, ''),
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? [] : [...new URLSearchParams(url.slice(mark + 1))],
    headers: request.headers,
    sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
  };
}
