// A small HTTP server: routes, JSON or HTML answers, release headers on all of them, and an end without a broken request.

const http = require('node:http');
const net = require('node:net');
const { HttpError, asHttpError } = require('./errors');
const { releaseHeaders } = require('./release');

const largestBody = 64 * 1024;

/**
 * Starts serving `routes`: `{ 'GET /watch/:id': async ({ params, query, body }) => answer }`, where an answer is
 * `{ status = 200, json | html, headers }`. Resolves to `{ address, stop }` once it listens.
 */
function serve(routes, { host, port }) {
  const table = Object.entries(routes).map(([key, handler]) => {
    const [method, path] = key.split(' ');
    return { method, parts: path.split('/'), handler };
  });
  let stopping = false;

  const server = http.createServer(async (request, response) => {
    const answer = await answerOf(table, request);
    const text = answer.html ?? `${JSON.stringify(answer.json)}\n`;
    response.writeHead(answer.status ?? 200, {
      'content-type': answer.html === undefined ? 'application/json' : 'text/html; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      ...releaseHeaders,
      ...answer.headers,
      // tells the balancer to send the next request elsewhere, instead of finding a closed connection
      ...(stopping ? { connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : text);
  });
  // Longer than the 60 s idle timeout of a load balancer, which must be the one to close a connection: the other way round is a 502.
  server.keepAliveTimeout = 65_000;
  server.headersTimeout = 66_000;

  /** Stops accepting, answers what is under way, closes idle connections after `graceMs`, gives up after `limitMs`. */
  function stop({ graceMs = 500, limitMs = 10_000 } = {}) {
    stopping = true;
    return new Promise((resolve) => {
      // http.Server.close() would cut idle connections at once, on which a request may be travelling; net's does not.
      net.Server.prototype.close.call(server, () => {
        clearTimeout(grace);
        clearTimeout(limit);
        clearInterval(sweep);
        resolve();
      });
      let sweep;
      const grace = setTimeout(() => {
        server.closeIdleConnections();
        sweep = setInterval(() => server.closeIdleConnections(), 50);
      }, graceMs);
      const limit = setTimeout(() => server.closeAllConnections(), limitMs);
    });
  }

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve({ address: server.address(), stop }));
  });
}

async function answerOf(table, request) {
  try {
    const url = parse(request.url);
    const found = find(table, request.method === 'HEAD' ? 'GET' : request.method, url.pathname);
    const body = request.method === 'POST' ? await readBody(request) : undefined;
    return await found.handler({ params: found.params, query: url.searchParams, headers: request.headers, body });
  } catch (cause) {
    const error = asHttpError(cause);
    if (!(error instanceof HttpError)) console.error(`${request.method} ${request.url}:`, cause);
    const status = error.status ?? 500;
    return {
      status,
      json: { error: error.status ? error.message : 'something went wrong here', reason: error.reason ?? 'error' },
      headers: status === 503 ? { 'retry-after': '5' } : {},
    };
  }
}

function find(table, method, pathname) {
  const parts = pathname.length > 1 && pathname.endsWith('/') ? pathname.slice(0, -1).split('/') : pathname.split('/');
  for (const route of table) {
    if (route.method !== method || route.parts.length !== parts.length) continue;
    const params = {};
    const fits = route.parts.every((part, i) => {
      if (!part.startsWith(':')) return part === parts[i];
      params[part.slice(1)] = parts[i];
      return parts[i] !== '';
    });
    if (fits) return { handler: route.handler, params };
  }
  throw new HttpError(404, 'not-found', `there is nothing at ${method} ${pathname}`);
}

function parse(address) {
  try {
    return new URL(`http://localhost${address}`);
  } catch {
    throw new HttpError(400, 'address', 'the address cannot be read');
  }
}

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > largestBody) throw new HttpError(413, 'too-large', `a body may have ${largestBody} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if ((request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded'))
    return Object.fromEntries(new URLSearchParams(text));
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (body === null || typeof body !== 'object') throw new HttpError(400, 'body', 'the body must be a JSON object');
  return body;
}

module.exports = { serve };
