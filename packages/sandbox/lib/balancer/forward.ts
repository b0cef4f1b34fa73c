/** Carries one request to one target and its answer back, streaming both ways. */
import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { answerError, hasBody } from './answers';
import type { Target } from './target-group';

export interface Way {
  readonly target: Target;
  readonly sourceIp: string;
  /** The listener's own port. */
  readonly port: number;
  readonly idleMs: number;
}

const perConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const safe = new Set(['GET', 'HEAD', 'OPTIONS']);

export function forward(incoming: IncomingMessage, response: ServerResponse, way: Way): void {
  const repeatable = safe.has(incoming.method ?? '') && !hasBody(incoming);
  let upstream: ClientRequest;
  let answered = false;
  const fail = (status: 502 | 504): void => {
    if (answered) return;
    answered = true;
    answerError(incoming, response, status);
  };
  const send = (kept: boolean): void => {
    upstream = request({
      host: way.target.id,
      port: way.target.port,
      method: incoming.method,
      path: incoming.url,
      headers: headersTo(incoming, way),
      agent: kept ? way.target.agent : false,
    });
    upstream.setTimeout(way.idleMs, () => {
      if (answered) response.destroy();
      fail(504);
      upstream.destroy();
    });
    upstream.on('response', (answer) => {
      answered = true;
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, headersBack(answer));
      // an answer that breaks off must break off at the client too, not end as if it were whole.
      pipeline(answer, response, () => undefined);
    });
    upstream.on('error', () => {
      if (answered || response.destroyed) return;
      // the target closed a kept connection while this request was on its way: nothing was answered, ask again on a new one.
      if (repeatable && upstream.reusedSocket) send(false);
      else fail(502);
    });
    if (hasBody(incoming)) incoming.pipe(upstream);
    else upstream.end();
  };
  response.on('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  // what must not be sent twice goes over a connection of its own, which cannot be stale.
  send(repeatable);
}

/** Protocol upgrades (websockets): once the target agrees, both sides are joined until one closes. */
export function forwardUpgrade(incoming: IncomingMessage, socket: Socket, head: Buffer, way: Way): void {
  const upstream = request({
    host: way.target.id,
    port: way.target.port,
    method: incoming.method,
    path: incoming.url,
    headers: { ...headersTo(incoming, way), connection: 'Upgrade', upgrade: incoming.headers.upgrade ?? 'websocket' },
    agent: false,
  });
  upstream.on('upgrade', (answer, other, otherHead) => {
    socket.write(headText(answer, true));
    if (otherHead.length > 0) socket.write(otherHead);
    if (head.length > 0) other.write(head);
    for (const end of [socket, other as Socket]) end.setTimeout(way.idleMs, () => end.destroy());
    pipeline(other, socket, () => other.destroy());
    pipeline(socket, other, () => socket.destroy());
  });
  upstream.on('response', (answer) => {
    socket.write(headText(answer, false));
    pipeline(answer, socket, () => socket.destroy());
  });
  upstream.on('error', () =>
    socket.end('HTTP/1.1 502 Bad Gateway\r\nserver: awselb/2.0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'),
  );
  socket.on('error', () => upstream.destroy());
  upstream.end();
}

function headersTo(incoming: IncomingMessage, way: Way): OutgoingHttpHeaders {
  const named = new Set((incoming.headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  const headers: OutgoingHttpHeaders = {};
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    if (!perConnection.has(name) && !named.has(name))
      headers[name] = name === 'cookie' || values?.length === 1 ? values?.join('; ') : values;
  }
  // without a length the body is sent in chunks, for every method.
  if (incoming.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
  const before = incoming.headersDistinct['x-forwarded-for']?.join(', ');
  headers['x-forwarded-for'] = before === undefined ? way.sourceIp : `${before}, ${way.sourceIp}`;
  headers['x-forwarded-proto'] = 'http';
  headers['x-forwarded-port'] = String(way.port);
  return headers;
}

/** Raw, so that repeated headers (cookies) and their spelling arrive as the target sent them. */
function headersBack(answer: IncomingMessage): string[] {
  const headers: string[] = [];
  for (let index = 0; index < answer.rawHeaders.length; index += 2) {
    const name = answer.rawHeaders[index]!;
    if (!perConnection.has(name.toLowerCase())) headers.push(name, answer.rawHeaders[index + 1]!);
  }
  return headers;
}

function headText(answer: IncomingMessage, upgraded: boolean): string {
  const kept = headersBack(answer);
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let index = 0; index < kept.length; index += 2) lines.push(`${kept[index]}: ${kept[index + 1]}`);
  lines.push(...(upgraded ? ['Connection: Upgrade', `Upgrade: ${answer.headers.upgrade ?? 'websocket'}`] : ['Connection: close']));
  return `${lines.join('\r\n')}\r\n\r\n`;
}
