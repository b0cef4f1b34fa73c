/** Secrets Manager: secrets with versions and stages, found by name, ARN or ARN without its suffix. */
import { randomInt, randomUUID } from 'node:crypto';
import type {
  CreateSecretRequest,
  CreateSecretResponse,
  DeleteSecretRequest,
  DeleteSecretResponse,
  DescribeSecretResponse,
  Filter,
  GetRandomPasswordRequest,
  GetSecretValueRequest,
  GetSecretValueResponse,
  ListSecretsRequest,
  ListSecretsResponse,
  ListSecretVersionIdsResponse,
  PutSecretValueRequest,
  PutSecretValueResponse,
  Tag,
  UpdateSecretRequest,
  UpdateSecretResponse,
} from '@aws-sdk/client-secrets-manager';
import { AwsError, type Sandbox, type Service } from '../../service';
import { randomPassword } from './password';

interface Version {
  id: string;
  text?: string;
  /** Base64. */
  binary?: string;
  stages: string[];
  created: Date;
}

interface Secret {
  arn: string;
  name: string;
  description?: string | undefined;
  kmsKeyId?: string | undefined;
  tags: Tag[];
  versions: Version[];
  created: Date;
  changed: Date;
  /** When DeleteSecret was called, and when the secret is gone for good. */
  deleted?: { at: Date; until: Date } | undefined;
}

interface Value {
  SecretString?: string | undefined;
  SecretBinary?: Uint8Array | undefined;
  ClientRequestToken?: string | undefined;
}

export const secretsmanager = (sandbox: Sandbox): Service => {
  const secrets = sandbox.table<Secret>('secretsmanager.secrets');

  const all = (): Secret[] => {
    for (const secret of secrets.values()) if (secret.deleted && secret.deleted.until.getTime() <= Date.now()) secrets.delete(secret.name);
    return secrets.values();
  };
  /** Also one that is marked for deletion. */
  const any = (id: string | undefined): Secret => {
    const secret = all().find(({ name, arn }) => id === name || id === arn || id === arn.slice(0, -7));
    if (!secret) throw new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified secret: ${id}`);
    return secret;
  };
  const usable = (id: string | undefined): Secret => {
    const secret = any(id);
    if (secret.deleted) {
      const message = `You can't perform this operation on the secret because it was marked for deletion: ${secret.name}`;
      throw new AwsError('InvalidRequestException', message);
    }
    return secret;
  };
  const save = (secret: Secret): void => {
    secret.changed = new Date();
    secrets.set(secret.name, secret);
  };

  return {
    client: 'client-secrets-manager',
    handlers: {
      CreateSecret: (input: CreateSecretRequest): CreateSecretResponse => {
        const name = input.Name ?? '';
        if (!/^[\w/+=.@-]{1,512}$/.test(name))
          throw new AwsError('ValidationException', `Invalid name. ${name} has other characters than letters, digits and /_+=.@-`);
        const existing = all().find((secret) => secret.name === name);
        if (existing?.deleted) {
          const message = `You can't create this secret because a secret with this name is already scheduled for deletion: ${name}`;
          throw new AwsError('InvalidRequestException', message);
        }
        if (existing) {
          const same = existing.versions.find(({ id }) => id === input.ClientRequestToken);
          if (same && sameValue(same, input)) return { ARN: existing.arn, Name: name, VersionId: same.id };
          throw new AwsError('ResourceExistsException', `The operation failed because the secret ${name} already exists.`);
        }
        const secret: Secret = {
          arn: sandbox.arn('secretsmanager', `secret:${name}-${suffix()}`),
          name,
          description: input.Description,
          kmsKeyId: input.KmsKeyId,
          tags: input.Tags ?? [],
          versions: [],
          created: new Date(),
          changed: new Date(),
        };
        const version = hasValue(input) ? addVersion(secret, input, ['AWSCURRENT']) : undefined;
        save(secret);
        return { ARN: secret.arn, Name: name, VersionId: version?.id };
      },

      GetSecretValue: (input: GetSecretValueRequest): GetSecretValueResponse => {
        const secret = usable(input.SecretId);
        const stage = input.VersionStage ?? 'AWSCURRENT';
        const version = secret.versions.find(({ id, stages }) => (input.VersionId ? id === input.VersionId : stages.includes(stage)));
        if (!version) {
          const which = input.VersionId ? `VersionId: ${input.VersionId}` : `staging label: ${stage}`;
          throw new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified secret value for ${which}`);
        }
        return {
          ARN: secret.arn,
          Name: secret.name,
          VersionId: version.id,
          VersionStages: version.stages,
          SecretString: version.text,
          SecretBinary: version.binary === undefined ? undefined : Buffer.from(version.binary, 'base64'),
          CreatedDate: version.created,
        };
      },

      PutSecretValue: (input: PutSecretValueRequest): PutSecretValueResponse => {
        const secret = usable(input.SecretId);
        const version = addVersion(secret, input, input.VersionStages ?? ['AWSCURRENT']);
        save(secret);
        return { ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: version.stages };
      },

      UpdateSecret: (input: UpdateSecretRequest): UpdateSecretResponse => {
        const secret = usable(input.SecretId);
        secret.description = input.Description ?? secret.description;
        secret.kmsKeyId = input.KmsKeyId ?? secret.kmsKeyId;
        const version = hasValue(input) ? addVersion(secret, input, ['AWSCURRENT']) : undefined;
        save(secret);
        return { ARN: secret.arn, Name: secret.name, VersionId: version?.id };
      },

      DescribeSecret: (input: { SecretId: string }): DescribeSecretResponse => ({
        ...described(any(input.SecretId)),
        VersionIdsToStages: Object.fromEntries(any(input.SecretId).versions.map(({ id, stages }) => [id, stages])),
      }),

      DeleteSecret: (input: DeleteSecretRequest): DeleteSecretResponse => {
        const days = input.RecoveryWindowInDays ?? 30;
        if (input.ForceDeleteWithoutRecovery && input.RecoveryWindowInDays !== undefined) {
          throw new AwsError(
            'InvalidParameterException',
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
          );
        }
        if (days < 7 || days > 30) {
          throw new AwsError(
            'InvalidParameterException',
            `The RecoveryWindowInDays value must be between 7 and 30 days (inclusive), not ${days}.`,
          );
        }
        const now = new Date();
        if (input.ForceDeleteWithoutRecovery) {
          const secret = all().find(({ name, arn }) => [name, arn, arn.slice(0, -7)].includes(input.SecretId ?? ''));
          if (secret) secrets.delete(secret.name);
          // AWS answers the same for a secret that is already gone.
          return { ARN: secret?.arn, Name: secret?.name ?? input.SecretId, DeletionDate: now };
        }
        const secret = usable(input.SecretId);
        secret.deleted = { at: now, until: new Date(now.getTime() + (days * 86_400_000) / sandbox.speed) };
        save(secret);
        return { ARN: secret.arn, Name: secret.name, DeletionDate: secret.deleted.until };
      },

      RestoreSecret: (input: { SecretId: string }) => {
        const secret = any(input.SecretId);
        secret.deleted = undefined;
        save(secret);
        return { ARN: secret.arn, Name: secret.name };
      },

      ListSecrets: (input: ListSecretsRequest): ListSecretsResponse => {
        const from = Number(input.NextToken ?? 0);
        const size = input.MaxResults ?? 100;
        const found = all()
          .filter((secret) => input.IncludePlannedDeletion || !secret.deleted)
          .filter((secret) => (input.Filters ?? []).every((filter) => matches(secret, filter)));
        return {
          SecretList: found.slice(from, from + size).map((secret) => ({
            ...described(secret),
            SecretVersionsToStages: Object.fromEntries(secret.versions.map(({ id, stages }) => [id, stages])),
          })),
          NextToken: from + size < found.length ? String(from + size) : undefined,
        };
      },

      ListSecretVersionIds: (input: { SecretId: string }): ListSecretVersionIdsResponse => {
        const { arn, name, versions } = any(input.SecretId);
        return {
          ARN: arn,
          Name: name,
          Versions: versions.map(({ id, stages, created }) => ({ VersionId: id, VersionStages: stages, CreatedDate: created })),
        };
      },

      TagResource: (input: { SecretId: string; Tags: Tag[] }) => {
        const secret = usable(input.SecretId);
        const keys = new Set(input.Tags.map(({ Key }) => Key));
        secret.tags = [...secret.tags.filter(({ Key }) => !keys.has(Key)), ...input.Tags];
        save(secret);
      },

      UntagResource: (input: { SecretId: string; TagKeys: string[] }) => {
        const secret = usable(input.SecretId);
        secret.tags = secret.tags.filter(({ Key }) => !input.TagKeys.includes(Key ?? ''));
        save(secret);
      },

      GetRandomPassword: (input: GetRandomPasswordRequest) => ({ RandomPassword: randomPassword(input) }),
    },
  };
};

/** The six characters after the name that make a later secret of the same name another one. */
function suffix(): string {
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length: 6 }, () => characters[randomInt(characters.length)]).join('');
}

function hasValue(input: Value): boolean {
  return input.SecretString !== undefined || input.SecretBinary !== undefined;
}

function base64(input: Value): string | undefined {
  return input.SecretBinary === undefined ? undefined : Buffer.from(input.SecretBinary).toString('base64');
}

function sameValue(version: Version, input: Value): boolean {
  return version.text === input.SecretString && version.binary === base64(input);
}

/** A new version, and its stages taken from those that had them. The same token with the same value changes nothing. */
function addVersion(secret: Secret, input: Value, stages: string[]): Version {
  if (!hasValue(input)) throw new AwsError('InvalidRequestException', 'You must provide either SecretString or SecretBinary.');
  const id = input.ClientRequestToken ?? randomUUID();
  const known = secret.versions.find((version) => version.id === id);
  if (known) {
    if (sameValue(known, input)) return known;
    throw new AwsError('ResourceExistsException', `A version with the token ${id} exists with another value.`);
  }
  if (stages.includes('AWSCURRENT')) {
    for (const version of secret.versions) {
      const was = version.stages.includes('AWSCURRENT');
      version.stages = version.stages.filter((stage) => stage !== 'AWSPREVIOUS');
      if (was) version.stages.push('AWSPREVIOUS');
    }
  }
  for (const version of secret.versions) version.stages = version.stages.filter((stage) => !stages.includes(stage));
  const binary = base64(input);
  const version: Version = {
    id,
    ...(input.SecretString === undefined ? {} : { text: input.SecretString }),
    ...(binary === undefined ? {} : { binary }),
    stages: [...stages],
    created: new Date(),
  };
  // AWS drops versions without a stage when it likes; here at once.
  secret.versions = [...secret.versions.filter(({ stages: kept }) => kept.length > 0), version];
  return version;
}

function described(secret: Secret) {
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    Tags: secret.tags,
    CreatedDate: secret.created,
    LastChangedDate: secret.changed,
    DeletedDate: secret.deleted?.at,
  };
}

function matches(secret: Secret, { Key, Values = [] }: Filter): boolean {
  const subjects: Record<string, (string | undefined)[]> = {
    name: [secret.name],
    description: [secret.description],
    'tag-key': secret.tags.map((tag) => tag.Key),
    'tag-value': secret.tags.map((tag) => tag.Value),
  };
  const among = Key === 'all' ? Object.values(subjects).flat() : (subjects[Key ?? ''] ?? []);
  return Values.some((value) =>
    among.some((subject) => (value.startsWith('!') ? !subject?.startsWith(value.slice(1)) : subject?.startsWith(value))),
  );
}
