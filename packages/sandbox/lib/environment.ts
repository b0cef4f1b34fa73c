/** Where the sandbox pretends to be, and what AWS tools need in their environment to talk to it. */
import type { Credentials } from './access/keys';

/** The account of AWS's own documentation: nobody's. */
export const ACCOUNT = '111122223333';
export const REGION = 'eu-central-1';

export function environmentFor(
  endpoint: string,
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  region: string = REGION,
): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}
