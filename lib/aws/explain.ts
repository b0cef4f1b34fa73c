/** Errors that have nothing to do with Switchback, as sentences. */
import { evaluate, say, switchback, typed } from '../base/advice';
import { exit, Stop } from '../base/errors';

const sandboxEnv = evaluate('sandbox', 'env');
const toAws = say`or unset AWS_ENDPOINT_URL to reach AWS itself`;

/** Turns errors of the first call into sentences: no credentials, no sandbox, no network. */
export function explain(error: unknown): unknown {
  if (error instanceof Stop) return error;
  const name = error instanceof Error ? error.name : '';
  const code = (error as { code?: string } | undefined)?.code ?? (error as { cause?: { code?: string } } | undefined)?.cause?.code;
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (name === 'CredentialsProviderError') {
    const profile = process.env['AWS_PROFILE'];
    return new Stop('credentials.missing', `no AWS credentials were found${profile ? ` for the profile ${profile}` : ''}`, {
      next: [typed(profile ? `aws sso login --profile ${profile}` : 'aws sso login'), say`or for the sandbox: ${sandboxEnv}`],
      exit: exit.usage,
      cause: error,
    });
  }
  if (error instanceof Error && /Region is missing/.test(error.message)) {
    return new Stop('region.missing', 'no AWS Region is set', {
      next: [typed('export AWS_REGION=<the Region of the system>'), say`or for the sandbox: ${sandboxEnv}`],
      exit: exit.usage,
      cause: error,
    });
  }
  // only an SDK client's own: a database that restarts refuses connections too.
  if (code === 'ECONNREFUSED' && endpoint && (error as { $metadata?: unknown }).$metadata !== undefined) {
    return new Stop('sandbox.unreachable', `nothing answers at AWS_ENDPOINT_URL ${endpoint}`, {
      next: [switchback('sandbox', '--detach'), toAws],
      exit: exit.usage,
      cause: error,
    });
  }
  if (['ExpiredToken', 'ExpiredTokenException', 'InvalidClientTokenId', 'UnrecognizedClientException'].includes(name)) {
    return new Stop('credentials.refused', `AWS refused the credentials: ${(error as Error).message}`, {
      // each sandbox lets in a key of its own only.
      next: [endpoint ? sandboxEnv : typed('aws sso login'), say`then the same command again`],
      exit: exit.usage,
      cause: error,
    });
  }
  // the credentials are good, and another login changes nothing; in the runner they are its role's.
  if (['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation'].includes(name)) {
    return new Stop('rights.missing', `AWS refused a call: ${(error as Error).message}`, {
      state: 'That call changed nothing.',
      next: [
        say`give the principal that the message names the right it lacks; if it is the runner, deploy the shared stack again`,
        say`then the same command again`,
      ],
      exit: exit.usage,
      cause: error,
    });
  }
  return error;
}

/** The first call of a command says where it goes: a Stop for an endpoint that is no address, or behind which there is no AWS. */
export function explainFirst(error: unknown): unknown {
  const explained = explain(error);
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (explained instanceof Stop || !(error instanceof Error)) return explained;
  const next = [sandboxEnv, toAws];
  if (endpoint && !/^https?:\/\/./.test(endpoint))
    return new Stop('endpoint.invalid', `AWS_ENDPOINT_URL ${endpoint} is no address: it begins with http:// or https://`, {
      next,
      exit: exit.usage,
      cause: error,
    });
  if (error.name === 'TimeoutError')
    return new Stop('aws.unreachable', `${endpoint ? `AWS_ENDPOINT_URL ${endpoint}` : 'AWS'} takes the connection and does not answer`, {
      next: endpoint ? next : [say`look at the network, the proxy and AWS_REGION, then the same command again`],
      exit: exit.usage,
      cause: error,
    });
  const code = (error as { code?: string }).code ?? (error.cause as { code?: string } | undefined)?.code;
  if (code !== undefined && /^(E[A-Z_]+|UND_ERR_[A-Z_]+)$/.test(code))
    return new Stop('aws.unreachable', `${endpoint ? `AWS_ENDPOINT_URL ${endpoint}` : 'AWS'} cannot be reached: ${error.message}`, {
      next: endpoint ? next : [say`look at the network, the proxy and AWS_REGION, then the same command again`],
      exit: exit.usage,
      cause: error,
    });
  // every answer of AWS has a request id.
  const { $metadata: met } = error as { $metadata?: { httpStatusCode?: number; requestId?: string } };
  if (endpoint && met?.httpStatusCode !== undefined && met.requestId === undefined)
    return new Stop('endpoint.not-aws', `what answers at AWS_ENDPOINT_URL ${endpoint} is not AWS`, {
      next,
      exit: exit.usage,
      cause: error,
    });
  return error;
}
