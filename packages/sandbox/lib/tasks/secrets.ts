/** The `secrets` of a container definition, read when the task starts, as on AWS. Values never appear in an error. */
import type { Secret } from '@aws-sdk/client-ecs';
import type { Sandbox } from '../service';
import { StartError } from './image';

export async function readSecrets(sandbox: Pick<Sandbox, 'call'>, secrets: readonly Secret[]): Promise<Record<string, string>> {
  const values = await Promise.all(secrets.map((secret) => readSecret(sandbox, secret.valueFrom ?? '')));
  return Object.fromEntries(secrets.map((secret, index) => [secret.name ?? '', values[index] ?? '']));
}

async function readSecret(sandbox: Pick<Sandbox, 'call'>, valueFrom: string): Promise<string> {
  const manager = /^(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+)(?::([^:]*))?(?::([^:]*))?(?::([^:]*))?$/.exec(valueFrom);
  try {
    if (!manager) {
      const name = /^arn:[^:]+:ssm:[^:]*:[^:]*:parameter(\/.+)$/.exec(valueFrom)?.[1];
      // the ARN of a parameter whose name has no slash looks the same as one that begins with a slash.
      return await parameter(sandbox, name ?? valueFrom);
    }
    const [, id, key, stage, version] = manager;
    const input = { SecretId: id, ...(stage ? { VersionStage: stage } : {}), ...(version ? { VersionId: version } : {}) };
    const { SecretString } = await sandbox.call('secretsmanager', 'GetSecretValue', input);
    return key ? field(SecretString ?? '', key, id!) : (SecretString ?? '');
  } catch (error) {
    if (error instanceof StartError) throw error;
    const from = manager ? ['asm', 'secrets manager'] : ['ssm', 'SSM'];
    const why = `${(error as Error).name}: ${(error as Error).message}`;
    throw new StartError(
      'ResourceInitializationError',
      `unable to pull secrets or registry auth: unable to retrieve secret from ${from[0]}: failed to fetch secret ${valueFrom} from ${from[1]}: ${why}`,
    );
  }
}

async function parameter(sandbox: Pick<Sandbox, 'call'>, name: string): Promise<string> {
  const get = async (Name: string): Promise<string> =>
    (await sandbox.call('ssm', 'GetParameter', { Name, WithDecryption: true })).Parameter.Value;
  const plain = /^\/[^/]+$/.test(name) ? name.slice(1) : undefined;
  if (plain === undefined) return get(name);
  return get(name).catch((error: Error) => {
    if (error.name !== 'ParameterNotFound') throw error;
    return get(plain);
  });
}

function field(text: string, key: string, id: string): string {
  const missing = (why: string): StartError =>
    new StartError(
      'ResourceInitializationError',
      `unable to pull secrets or registry auth: retrieved secret from Secrets Manager ${why}: ${id}`,
    );
  let value: unknown;
  try {
    value = (JSON.parse(text) as Record<string, unknown> | null)?.[key];
  } catch {
    throw missing('is not JSON, so it has no keys');
  }
  if (value === undefined || value === null) throw missing(`did not contain json key ${key}`);
  return typeof value === 'string' ? value : JSON.stringify(value);
}
