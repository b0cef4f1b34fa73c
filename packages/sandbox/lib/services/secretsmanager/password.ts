/** Random passwords, as CloudFormation's GenerateSecretString asks for them. */
import { randomInt } from 'node:crypto';
import type { GetRandomPasswordRequest } from '@aws-sdk/client-secrets-manager';
import { AwsError } from '../../service';

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const UPPER = LOWER.toUpperCase();
const DIGITS = '0123456789';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

export function randomPassword(input: GetRandomPasswordRequest): string {
  const excluded = new Set(input.ExcludeCharacters ?? '');
  const kinds = [
    input.ExcludeLowercase ? '' : LOWER,
    input.ExcludeUppercase ? '' : UPPER,
    input.ExcludeNumbers ? '' : DIGITS,
    input.ExcludePunctuation ? '' : PUNCTUATION,
    input.IncludeSpace ? ' ' : '',
  ]
    .map((characters) => characters.split('').filter((character) => !excluded.has(character)))
    .filter((characters) => characters.length > 0);
  const length = input.PasswordLength ?? 32;
  const every = input.RequireEachIncludedType ?? true;
  if (kinds.length === 0) throw new AwsError('InvalidParameterException', 'No characters are left after the exclusions.');
  if (length < 1 || length > 4096 || (every && length < kinds.length)) {
    throw new AwsError('InvalidParameterException', `A password of ${length} characters is not possible.`);
  }
  const all = kinds.flat();
  const pick = (from: readonly string[]): string => from[randomInt(from.length)]!;
  const password = every ? kinds.map(pick) : [];
  while (password.length < length) password.push(pick(all));
  // the characters of each kind came first; nobody should know where they are.
  for (let at = password.length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [password[at], password[other]] = [password[other]!, password[at]!];
  }
  return password.join('');
}
