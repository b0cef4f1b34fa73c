/** The sandbox as a whole: its services, one HTTP server in front of them, and the same services in process. */
import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { keyOf, type Refusal, refusalOf } from './access/door';
import { closedFolder } from './access/folder';
import { Keys, type Lent, ownerOf } from './access/keys';
import { ACCOUNT, environmentFor, REGION } from './environment';
import { FAULT_NOW_PATH, FAULTS_PATH, Faults } from './faults';
import { leaveFolder, SandboxError, takeFolder } from './lock';
import { AwsError, type CallInfo, type Sandbox, type Service } from './service';
import type { ServiceName } from './service-names';
import { makeServices } from './services';
import { State } from './state';
import { SandboxTime } from './time';
import { answer, checkedInput, checkedOutput, notServed, queryOf, type RawRequest, refuse, toAwsError } from './wire';
import { readAll } from './wire/body';
import type { WireAnswer } from './wire/protocol';

export interface SandboxOptions {
  /** Where everything lives: state, objects, databases, logs. Made if it is not there. */
  readonly folder: string;
  /** 0: a free one. @default 0 */
  readonly port?: number;
  /** AWS seconds per real second. @default 60 */
  readonly speed?: number;
  /** Folder of the images that ECS tasks run: `video:v1` is `<images>/video/v1`. */
  readonly images?: string | undefined;
  /** What goes wrong from the start: the body that POST /_sandbox/faults takes. @default nothing */
  readonly faults?: unknown;
  /** @default one line each in <folder>/sandbox.log */
  readonly log?: (line: string) => void;
  /** Told every call from outside once it has been answered, reads included: for measuring. */
  readonly onCall?: (call: WireCall) => void;
}

export interface WireCall {
  readonly service: ServiceName;
  readonly operation: string;
  /** What the client says of itself; a Lambda function's names its runtime. */
  readonly agent: string;
  /** The id of the access key that signed it. */
  readonly key: string;
  /** Milliseconds since the epoch: when it arrived, and when its answer was ready. */
  readonly from: number;
  readonly to: number;
}

export interface RunningSandbox {
  /** `http://localhost:<port>` */
  readonly endpoint: string;
  readonly port: number;
  /** What AWS tools need in their environment to talk to this sandbox. */
  readonly env: Readonly<Record<string, string>>;
  /** Calls an operation in process; the answer and the errors are those of the wire. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation.
  call(service: ServiceName, operation: string, input?: any): Promise<any>;
  /** Ends every process, socket and timer. The state stays in the folder. */
  stop(): Promise<void>;
}

/** Throws SandboxError when the port or the folder is in use. */
export async function startSandbox(options: SandboxOptions): Promise<RunningSandbox> {
  const folder = resolve(options.folder);
  const speed = options.speed ?? 60;
  closedFolder(folder);
  const log = options.log ?? ((line) => appendFileSync(join(folder, 'sandbox.log'), `${new Date().toISOString()} ${line}\n`));
  let services: ReadonlyMap<ServiceName, Service> = new Map();

  const faults = new Faults(
    () => sandbox,
    () => services,
  );
  if (options.faults !== undefined) faults.set(options.faults);

  /** Every request passes here, from the wire (where lib/faults stands around it) and in process. */
  async function perform(service: ServiceName, operation: string, given: unknown, call: CallInfo): Promise<unknown> {
    const started = Date.now();
    try {
      const handler = services.get(service)?.handlers[operation];
      if (!handler) throw notServed(service, operation);
      const input = checkedInput(service, operation, given);
      const output: unknown = await handler(input, call);
      if (!READS.test(operation)) log(`${service} ${operation} ${Date.now() - started} ms`);
      return checkedOutput(service, operation, output);
    } catch (error) {
      const known = toAwsError(error);
      const detail = error instanceof AwsError ? known.message : error instanceof Error ? error.stack : String(error);
      log(`${service} ${operation} ${Date.now() - started} ms: ${known.code}: ${detail}`);
      throw known;
    }
  }

  // requests that come while the databases still start wait for them.
  let open = (): void => {};
  const ready = new Promise<void>((done) => {
    open = done;
  });
  const { onCall } = options;
  const turnedAway = (raw: RawRequest): Refusal | undefined => {
    const refusal = refusalOf({ headers: raw.headers, query: queryOf(raw.url) }, port, keys);
    if (refusal) log(`refused: ${raw.method} ${raw.url.split('?')[0]}: ${refusal.why === 'foreign' ? refusal.sentence : refusal.why}`);
    return refusal;
  };
  const server = createServer(
    (request, response) => void ready.then(() => respond(request, response, { turnedAway, perform, faults, onCall })),
  );
  // an upload or a Lambda invocation takes as long as it takes.
  server.requestTimeout = 0;
  const port = await listen(server, options.port ?? 0);
  const endpoint = `http://localhost:${port}`;
  try {
    takeFolder(folder, endpoint, speed);
  } catch (error) {
    server.close();
    throw error;
  }

  const time = new SandboxTime(speed, log);
  const state = new State(join(folder, 'state'));
  const owner = ownerOf(folder);
  const keys = new Keys(owner, state.table<Lent>('keys'));
  const sandbox: Sandbox = {
    account: ACCOUNT,
    region: REGION,
    folder,
    speed,
    images: options.images,
    endpoint: () => endpoint,
    environment: () => environmentFor(endpoint, keys.inside),
    lend: (seconds) => keys.lend(seconds),
    call: (service, operation, input) => perform(service, operation, input, { endpoint }),
    table: (name) => state.table(name),
    after: (awsSeconds, action) => time.after(awsSeconds, action),
    every: (awsSeconds, action) => time.every(awsSeconds, action),
    pause: (awsSeconds) => time.pause(awsSeconds),
    fault: (kind, begun) => faults.ofOperation(kind, begun),
    log,
    arn: (service, rest) => `arn:aws:${service}:${REGION}:${ACCOUNT}:${rest}`,
    id: (length) =>
      randomBytes(Math.ceil(length / 2))
        .toString('hex')
        .slice(0, length),
  };

  const end = async (): Promise<void> => {
    time.stop();
    const closed = new Promise((done) => server.close(done));
    for (const name of [...services.keys()].reverse()) {
      await services
        .get(name)
        ?.stop?.()
        ?.catch((error: unknown) => log(`${name} did not stop cleanly: ${String(error)}`));
    }
    server.closeAllConnections();
    await closed;
    leaveFolder(folder);
  };
  let ending: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    ending ??= end();
    return ending;
  };

  try {
    services = makeServices(sandbox);
    for (const service of services.values()) await service.start?.();
  } catch (error) {
    await stop();
    throw error;
  }
  open();
  log(`sandbox answers at ${endpoint}, ${speed} AWS seconds per second`);
  return {
    endpoint,
    port,
    env: environmentFor(endpoint, owner),
    call: (service, operation, input) => sandbox.call(service, operation, input),
    stop,
  };
}

const READS = /^(Describe|List|Get|Head|Filter)/;

function listen(server: Server, port: number): Promise<number> {
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      failed(
        inUse ? new SandboxError(`port ${port} is in use by another process; choose another with --port, or 0 for a free one.`) : error,
      );
    });
    server.listen(port, '127.0.0.1', () => done((server.address() as AddressInfo).port));
  });
}

type Perform = (service: ServiceName, operation: string, input: unknown, call: CallInfo) => Promise<unknown>;

interface Inside {
  /** Why a request is not let in. */
  turnedAway(raw: RawRequest): Refusal | undefined;
  readonly perform: Perform;
  readonly faults: Faults;
  readonly onCall: SandboxOptions['onCall'];
}

async function respond(request: IncomingMessage, response: ServerResponse, { turnedAway, perform, faults, onCall }: Inside): Promise<void> {
  const from = Date.now();
  try {
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value ?? '')]));
    const asked = { method: request.method ?? 'GET', url: request.url ?? '/', headers, body: Buffer.alloc(0) };
    const refusal = turnedAway(asked);
    // for who only wants to know whether it is up: the name of a sandbox is no secret.
    if (refusal?.why === 'unsigned' && asked.method === 'GET' && asked.url === '/') {
      response.writeHead(200, { 'content-type': 'text/plain' }).end('sandbox\n');
      return;
    }
    const isControl = asked.url === FAULTS_PATH || asked.url === FAULT_NOW_PATH;
    if (refusal && isControl) return sendJson(response, 403, { message: toldOf(refusal) });
    // its body is not read: nobody unknown may fill the memory of this machine.
    if (refusal) return send(request, response, refuse(asked, randomUUID(), refusal));
    const raw = { ...asked, body: await readAll(request) };
    if (isControl) {
      const { status, body } = await controlFaults(faults, `${raw.method} ${raw.url}`, raw.body.toString('utf8'));
      return sendJson(response, status, body);
    }
    const agent = headers['user-agent'] ?? '';
    const cdk = /aws-cdk|cdk-assets/i.test(agent);
    let lost = false;
    const faulty: Perform = (service, operation, input, call) =>
      faults
        .around(
          { service, operation, input, cdk },
          () => perform(service, operation, input, call),
          () => {
            lost = true;
          },
        )
        .finally(() =>
          onCall?.({ service, operation, agent, key: keyOf({ headers, query: queryOf(raw.url) }) ?? '', from, to: Date.now() }),
        );
    const answered = await answer(raw, randomUUID(), faulty);
    if (lost) request.socket.resetAndDestroy();
    else send(request, response, answered);
  } catch {
    // the client went away while it was sending, or the answer cannot be written: nobody is left to tell.
    response.destroy();
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, headers, body }: WireAnswer): void {
  // the JSON serializer's bytes pretend to be a string as well, and warn when asked for one, as Buffer.from(bytes) would.
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const bodyless = status === 204 || status === 304;
  // HeadObject names the length of the object itself.
  const length = request.method === 'HEAD' || bodyless ? {} : { 'content-length': String(bytes.length) };
  response.writeHead(status, { ...headers, ...length });
  response.end(request.method === 'HEAD' || bodyless ? undefined : bytes);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

const toldOf = (refusal: Refusal): string =>
  refusal.why === 'foreign' ? refusal.sentence : 'signed with no key of this sandbox: curl --aws-sigv4 does it (docs/sandbox/faults.md)';

async function controlFaults(faults: Faults, what: string, body: string): Promise<{ status: number; body: unknown }> {
  try {
    if (what === `POST ${FAULT_NOW_PATH}`) return { status: 200, body: await faults.now(JSON.parse(body)) };
    if (what === `POST ${FAULTS_PATH}`) faults.set(JSON.parse(body));
    else if (what === `DELETE ${FAULTS_PATH}`) await faults.clear();
    else if (what !== `GET ${FAULTS_PATH}`) return { status: 405, body: { message: 'GET, POST or DELETE; for a fault at once, POST' } };
    return { status: 200, body: faults.state() };
  } catch (error) {
    return { status: 400, body: { message: error instanceof Error ? error.message : String(error) } };
  }
}
