/**
 * Every mutating call ends in one of three ways. An answer of AWS that says no (4xx) is "not applied"; a lost
 * connection, a timeout or a 5xx is "unknown": the change may have been made before the answer was lost.
 */
import { OutcomeUnknown, Stop } from '../base/errors';

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $fault?: 'client' | 'server';
  /** Of the network: `ECONNRESET`. */
  readonly code?: string;
}

const throttles = new Set([
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'PriorRequestNotComplete',
  'SlowDown',
]);

/** True when AWS refused for load: nothing was changed, asking again later is safe. */
export const isThrottle = (error: unknown): boolean => error instanceof Error && throttles.has(error.name);

/** True for a read that failed for a reason that may be over by now: no answer, a fault of AWS, load. */
export function isPassing(error: unknown): boolean {
  const { $metadata: met, name, code } = error as SdkError;
  const status = met?.httpStatusCode;
  if (isThrottle(error)) return true;
  if (status !== undefined) return status >= 500;
  return name === 'TimeoutError' || /^(E[A-Z_]+|UND_ERR_[A-Z_]+)$/.test(code ?? '');
}

/** True for an answer that names the error, with or without the suffixes AWS adds on some protocols. */
export function isAws(error: unknown, ...codes: string[]): boolean {
  if (!(error instanceof Error)) return false;
  const plain = (name: string) => name.replace(/(Fault|Exception)$/, '');
  return codes.some((code) => plain(code) === plain(error.name));
}

/** True when a call may have been applied although it failed. */
export function isUnanswered(error: unknown): boolean {
  // it was not sent: this run has lost the window, or has no credentials.
  if (isThrottle(error) || error instanceof Stop || (error as Error).name === 'CredentialsProviderError') return false;
  // without a status there was no answer.
  const status = (error as SdkError).$metadata?.httpStatusCode;
  return status === undefined || status >= 500;
}

/** True for an answer of AWS that says no: 4xx. */
export function isClientFault(error: unknown): boolean {
  const status = (error as SdkError).$metadata?.httpStatusCode;
  return status !== undefined && status >= 400 && status < 500;
}

/**
 * Runs one mutating call.
 * @param look the command that shows a person what came of it
 * @throws OutcomeUnknown when it may have been applied
 * @throws the SDK's error when it was not
 */
export async function mutate<T>(call: string, look: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    throw isUnanswered(error) ? new OutcomeUnknown(call, error, look) : error;
  }
}
