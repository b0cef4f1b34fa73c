/** The answers a load balancer gives itself: errors, fixed responses, redirects. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FixedResponseActionConfig, RedirectActionConfig } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { RequestFacts } from './conditions';

const texts = {
  400: 'Bad Request',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

export function answerError(request: IncomingMessage, response: ServerResponse, status: keyof typeof texts): void {
  const title = `${status} ${texts[status]}`;
  send(
    request,
    response,
    status,
    'text/html',
    `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`,
  );
}

export function answerFixed(request: IncomingMessage, response: ServerResponse, fixed: FixedResponseActionConfig): void {
  send(request, response, Number(fixed.StatusCode), fixed.ContentType ?? 'text/plain', fixed.MessageBody ?? '');
}

/** `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}` keep a part of the address that was asked. */
export function answerRedirect(
  request: IncomingMessage,
  response: ServerResponse,
  redirect: RedirectActionConfig,
  facts: RequestFacts,
  port: number,
): void {
  const query = (request.url ?? '').split('?').slice(1).join('?');
  const parts: Record<string, string> = {
    protocol: 'HTTP',
    host: facts.host,
    port: String(port),
    path: facts.path.replace(/^\//, ''),
    query,
  };
  const fill = (template: string): string => template.replace(/#\{(\w+)\}/g, (_all, name: string) => parts[name] ?? '');
  const protocol = fill(redirect.Protocol ?? '#{protocol}').toLowerCase();
  const host = fill(redirect.Host ?? '#{host}');
  const toPort = fill(redirect.Port ?? '#{port}');
  const path = fill(redirect.Path ?? '/#{path}');
  const search = fill(redirect.Query ?? '#{query}');
  response.setHeader('location', `${protocol}://${host}:${toPort}${path}${search ? `?${search}` : ''}`);
  send(request, response, redirect.StatusCode === 'HTTP_301' ? 301 : 302, 'text/html', '');
}

function send(request: IncomingMessage, response: ServerResponse, status: number, type: string, body: string): void {
  // a body that is still coming cannot be told from the next request on this connection.
  if (!request.complete && hasBody(request)) response.setHeader('connection', 'close');
  response.writeHead(status, { server: 'awselb/2.0', 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}
