/** What every protocol of the wire does: find the operation and its input in a request, write an answer, write an error. */
import { AwsError } from '../service';
import type { ErrorModel, Model, Operation } from './model';

export interface WireRequest {
  readonly method: string;
  /** As sent, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded: neither chunked nor compressed. */
  readonly body: Buffer;
}

export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface WireCall {
  readonly operation: Operation;
  readonly input: Record<string, unknown>;
}

export interface Protocol {
  /** Throws AwsError when the request names no operation of the model. */
  read(model: Model, request: WireRequest): WireCall;
  write(model: Model, operation: Operation, output: unknown, requestId: string): WireAnswer;
  fail(model: Model, error: AwsError, requestId: string): WireAnswer;
}

/** The error as the model knows it: handlers may name the shape or the code, and the model has the status. */
export function modelled(model: Model, error: AwsError): ErrorModel {
  const known = model.errors.get(error.code);
  if (!known) return { shape: error.code, code: error.code, status: error.status };
  return { ...known, status: error.status === 400 ? known.status : error.status };
}

export function notServed(service: string, operation: string): AwsError {
  // 400, not 501: a client retries a 5xx.
  return new AwsError(
    'NotServedBySandbox',
    `The sandbox does not serve ${operation} of ${service} (docs/sandbox.md lists what it serves).`,
  );
}
