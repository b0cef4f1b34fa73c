/**
 * What every service of the sandbox is made of: handlers that take and answer plain objects in the shape of the
 * AWS SDK's own inputs and outputs. The wire (packages/sandbox/lib/wire) turns HTTP into these calls and back; the
 * CloudFormation interpreter calls the same handlers in process.
 */
import type { Lent } from './access/keys';
import type { OperationFaultKind, ThingFaultKind } from './faults/kinds';
import type { ServiceName } from './service-names';
import type { Table } from './state';

/** An error of AWS, with AWS's own code and status; the wire writes it in the protocol of the service. */
export class AwsError extends Error {
  constructor(
    /** The code as AWS spells it on the wire, for example `DBInstanceNotFound` (without `Fault`/`Exception` unless AWS writes it). */
    readonly code: string,
    message: string,
    readonly status = 400,
    /** Further members of the error's shape, for example `Reason` of Lambda's TooManyRequestsException. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = code;
  }
}

/** One call of one operation. Inputs and outputs are the SDK's own shapes, checked by the services' typed handler maps. */
// biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation; each service types its own handlers.
export type Handler = (input: any, call: CallInfo) => any;

export interface CallInfo {
  /** The base URL the client used, for example `http://localhost:4566`, to build URLs that the client can reach. */
  readonly endpoint: string;
}

export interface Service {
  /** The SDK package this service answers for, without its scope: `client-rds`. */
  readonly client: string;
  readonly handlers: Readonly<Record<string, Handler>>;
  /** Called once after all services exist and before the first request: start what the stored state says was running. */
  start?(): Promise<void>;
  /** Called once: stop every process, socket and timer. Must not lose state. */
  stop?(): Promise<void>;
  /** Faults of things (faults/kinds.ts): each does it to `target`, resolves when it is done, and says what was done. */
  readonly faults?: Readonly<Partial<Record<ThingFaultKind, (target: string, seconds: number) => Promise<string>>>>;
  /** Ends what lasts of a fault. */
  clear?(): void | Promise<void>;
}

/** What a service begins to do, as faults are told of it. */
export interface BegunOperation {
  readonly service: ServiceName;
  /** The call that asks for this, also when a service did it by itself: `PromoteReadReplica`. */
  readonly operation: string;
  /** What it is done to may be called any of these. */
  readonly names: readonly (string | undefined)[];
}

/** What a service gets from the sandbox it lives in. */
export interface Sandbox {
  readonly account: string;
  readonly region: string;
  /** Folder for files that belong to the running state (database folders, unpacked functions, logs). */
  readonly folder: string;
  /** AWS seconds per real second: with 60, a promotion that takes 3 minutes on AWS takes 3 seconds here. */
  readonly speed: number;
  /** Where an image's files are: `video:v1` is `<images>/video/v1`. */
  readonly images: string | undefined;
  /** The sandbox's own base URL. */
  endpoint(): string;
  /** What the processes it starts have in their environment to talk to it: where it is, and a key that ends with it. */
  environment(): Readonly<Record<string, string>>;
  /** Lends credentials for so many real seconds. */
  lend(seconds: number): Lent;
  /** Calls another service's operation in process. Throws AwsError as the service does. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation.
  call(service: ServiceName, operation: string, input: any): Promise<any>;
  /** A persistent table; names are unique in a sandbox (`rds.instances`). Values are plain JSON; call set() after a change. */
  table<T extends object>(name: string): Table<T>;
  /** Runs `action` once `awsSeconds / speed` have passed; dropped when the sandbox stops. Errors are logged, never thrown. */
  after(awsSeconds: number, action: () => void | Promise<void>): void;
  /** Runs `action` every `awsSeconds / speed` (never more often than every 20 ms), never twice at a time, until the sandbox stops. */
  every(awsSeconds: number, action: () => void | Promise<void>): void;
  /** Resolves after `awsSeconds / speed`; rejects when the sandbox stops. */
  pause(awsSeconds: number): Promise<void>;
  /** Whether a fault makes what is begun now `long` (by this factor), or what is stopped ignore SIGTERM; undefined: it goes as usual. */
  fault(kind: OperationFaultKind, begun: BegunOperation): number | undefined;
  /** One line in the sandbox's log file: what a person asking "why did this happen" would want. */
  log(line: string): void;
  /** `arn:aws:<service>:<region>:<account>:<rest>` */
  arn(service: string, rest: string): string;
  /** Lower-case hex, unique in this sandbox. */
  id(length: number): string;
}
