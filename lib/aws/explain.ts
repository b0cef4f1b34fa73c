/** Errors that have nothing to do with Switchback, as sentences. */
import { exit, Stop } from '../runbook/errors';

/** Turns errors of the first call into sentences: no credentials, no sandbox, no network. */
export function explain(error: unknown): unknown {
  if (error instanceof Stop) return error;
  const name = error instanceof Error ? error.name : '';
  const code = (error as { code?: string } | undefined)?.code ?? (error as { cause?: { code?: string } } | undefined)?.cause?.code;
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (name === 'CredentialsProviderError') {
    return new Stop('credentials.missing', 'no AWS credentials were found', {
      next: ['aws sso login', 'or for the sandbox: eval "$(npm run --silent sandbox -- env)"'],
      exit: exit.usage,
      cause: error,
    });
  }
  if (error instanceof Error && /Region is missing/.test(error.message)) {
    return new Stop('region.missing', 'no AWS Region is set', {
      next: ['export AWS_REGION=<the Region of the system>', 'or for the sandbox: eval "$(npm run --silent sandbox -- env)"'],
      exit: exit.usage,
      cause: error,
    });
  }
  if (code === 'ECONNREFUSED' && endpoint) {
    return new Stop('sandbox.unreachable', `nothing answers at AWS_ENDPOINT_URL ${endpoint}`, {
      next: ['npm run sandbox -- --detach', 'or unset AWS_ENDPOINT_URL to reach AWS itself'],
      exit: exit.usage,
      cause: error,
    });
  }
  if (
    [
      'ExpiredToken',
      'ExpiredTokenException',
      'InvalidClientTokenId',
      'UnrecognizedClientException',
      'AccessDenied',
      'AccessDeniedException',
    ].includes(name)
  ) {
    return new Stop('credentials.refused', `AWS refused the credentials: ${(error as Error).message}`, {
      next: ['aws sso login'],
      exit: exit.usage,
      cause: error,
    });
  }
  return error;
}
