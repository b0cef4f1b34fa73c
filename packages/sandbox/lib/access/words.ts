/** How AWS refuses who is not let in: each protocol has codes and sentences of its own. */
import { AwsError } from '../service';
import type { ProtocolName } from '../wire/model';
import type { Refusal } from './door';

type Words = readonly [code: string, message: string, status: number];

const invalid = 'The security token included in the request is invalid.';
const expired = 'The security token included in the request is expired';

/** By `why`; `query` also for what names no service that is served here. */
const WORDS: Readonly<Record<'query' | 'ec2' | 'json' | 's3', Readonly<Record<Exclude<Refusal['why'], 'foreign'>, Words>>>> = {
  query: {
    unsigned: ['MissingAuthenticationToken', 'Request is missing Authentication Token', 403],
    'unknown-key': ['InvalidClientTokenId', invalid, 403],
    'expired-key': ['ExpiredToken', expired, 403],
  },
  ec2: {
    unsigned: ['AuthFailure', 'AWS was not able to validate the provided access credentials', 401],
    'unknown-key': ['AuthFailure', 'AWS was not able to validate the provided access credentials', 401],
    'expired-key': ['RequestExpired', 'Request has expired.', 400],
  },
  json: {
    unsigned: ['MissingAuthenticationTokenException', 'Missing Authentication Token', 403],
    'unknown-key': ['UnrecognizedClientException', invalid, 403],
    'expired-key': ['ExpiredTokenException', expired, 403],
  },
  s3: {
    unsigned: ['AccessDenied', 'Access Denied', 403],
    'unknown-key': ['InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', 403],
    'expired-key': ['ExpiredToken', 'The provided token has expired.', 400],
  },
};

export function inWordsOf(protocol: ProtocolName, refusal: Refusal): AwsError {
  const dialect = protocol === 'restXml' ? 's3' : protocol === 'restJson' ? 'json' : protocol;
  if (refusal.why === 'foreign') return new AwsError(dialect === 'json' ? 'AccessDeniedException' : 'AccessDenied', refusal.sentence, 403);
  const [code, message, status] = WORDS[dialect][refusal.why];
  return new AwsError(code, message, status);
}
