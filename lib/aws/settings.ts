/** SSM and Secrets Manager in our words: the manifest, the state parameter, the databases' secrets. */

import { DescribeSecretCommand, GetSecretValueCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { GetParameterCommand, GetParametersByPathCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import type { z } from 'zod';
import { type Advice, deploy, firstDeploy, say, typed } from '../base/advice';
import { exit, Stop } from '../base/errors';
import {
  type ColorPart,
  colorPartSchema,
  type DatabaseSecret,
  databaseSecretSchema,
  type FallbackPart,
  fallbackSchema,
  type Manifest,
  manifestVersion,
  parameterName,
  type SharedPart,
  type SystemState,
  sharedSchema,
  stateSchema,
} from '../manifest/schema';
import { stackAt } from '../manifest/stack-names';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';

export class Settings {
  constructor(private readonly clients: Pick<Clients, 'ssm' | 'secrets'>) {}

  /** Names of the systems in this account and Region. */
  async systems(): Promise<string[]> {
    const names = await this.parameters('/switchback/');
    return [...names.keys()].filter((name) => name.endsWith('/shared')).map((name) => name.split('/')[2] ?? '');
  }

  /**
   * Everything the stacks of a system wrote.
   * @throws Stop `manifest.missing` when there is no such system, `manifest.version` when another version of Switchback wrote it,
   *   `manifest.invalid` when a part cannot be read
   */
  async manifest(system: string): Promise<{ manifest: Manifest; state: SystemState | undefined }> {
    const found = await this.parameters(parameterName.folder(system));
    const part = (name: string) => found.get(parameterName.part(system, name));
    const text = part('shared');
    if (text === undefined) {
      const others = await this.systems();
      throw new Stop('manifest.missing', `there is no system "${system}" in this account and Region`, {
        state: others.length > 0 ? `There is: ${others.join(', ')}.` : 'No system has been deployed here.',
        next: others.length > 0 ? [say`--system ${others[0]!}`] : firstDeploy,
        exit: exit.usage,
      });
    }
    const shared = parse<SharedPart>(sharedSchema, parameterName.part(system, 'shared'), text);
    const path = shared.stackPath;
    const fallbacks: Record<string, FallbackPart> = {};
    for (const [name, written] of found) {
      if (name.startsWith(parameterName.part(system, 'fallback-'))) {
        const fallback = parse(fallbackSchema, name, written, path);
        fallbacks[fallback.window] = fallback;
      }
    }
    const color = (name: string): ColorPart | undefined => {
      const written = part(name);
      return written === undefined ? undefined : parse(colorPartSchema, parameterName.part(system, name), written, path);
    };
    const state = found.get(parameterName.state(system));
    return {
      manifest: {
        shared,
        blue: color('blue'),
        green: color('green'),
        fallbacks,
      },
      state: state === undefined ? undefined : parse(stateSchema, parameterName.state(system), state),
    };
  }

  async state(system: string): Promise<SystemState | undefined> {
    try {
      const { Parameter: found } = await this.clients.ssm.send(new GetParameterCommand({ Name: parameterName.state(system) }));
      return found?.Value === undefined ? undefined : parse(stateSchema, parameterName.state(system), found.Value);
    } catch (error) {
      if (isAws(error, 'ParameterNotFound')) return undefined;
      throw error;
    }
  }

  async writeState(system: string, state: SystemState): Promise<void> {
    const name = parameterName.state(system);
    await mutate(`ssm PutParameter ${name}`, `aws ssm get-parameter --name ${name}`, () =>
      this.clients.ssm.send(new PutParameterCommand({ Name: name, Value: JSON.stringify(state), Type: 'String', Overwrite: true })),
    );
  }

  async secret(arn: string): Promise<DatabaseSecret> {
    const { SecretString: text } = await this.clients.secrets.send(new GetSecretValueCommand({ SecretId: arn }));
    const parsed = databaseSecretSchema.safeParse(text === undefined ? undefined : JSON.parse(text));
    // the value itself stays out of the message.
    if (!parsed.success) throw new Stop('secret.invalid', `the secret ${arn} is not a database login: it needs username and password`);
    return parsed.data;
  }

  /** When the secret's value was last written. */
  async secretChangedAt(arn: string): Promise<Date> {
    const { LastChangedDate: at } = await this.clients.secrets.send(new DescribeSecretCommand({ SecretId: arn }));
    return at ?? new Date(0);
  }

  /** Whether Secrets Manager changes the value by itself, now and then. */
  async secretRotates(arn: string): Promise<boolean> {
    const { RotationEnabled: rotates } = await this.clients.secrets.send(new DescribeSecretCommand({ SecretId: arn }));
    return rotates ?? false;
  }

  async writeSecret(arn: string, value: DatabaseSecret): Promise<void> {
    await mutate(`secretsmanager PutSecretValue ${arn}`, `aws secretsmanager describe-secret --secret-id ${arn}`, () =>
      this.clients.secrets.send(new PutSecretValueCommand({ SecretId: arn, SecretString: JSON.stringify(value) })),
    );
  }

  private async parameters(path: string): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    let token: string | undefined;
    do {
      const page = await this.clients.ssm.send(
        new GetParametersByPathCommand({ Path: path, Recursive: true, ...(token ? { NextToken: token } : {}) }),
      );
      for (const parameter of page.Parameters ?? [])
        if (parameter.Name && parameter.Value !== undefined) found.set(parameter.Name, parameter.Value);
      token = page.NextToken;
    } while (token);
    return found;
  }
}

function parse<T>(schema: z.ZodType<T>, name: string, text: string, path = stackPathIn(text)): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Stop('manifest.invalid', `the parameter ${name} is not JSON`, { next: deployAgain(name, path), exit: exit.usage, cause });
  }
  const version = (value as { manifest?: unknown } | null)?.manifest;
  if (version !== undefined && version !== manifestVersion) {
    throw new Stop(
      'manifest.version',
      `the parameter ${name} has manifest version ${String(version)}, this Switchback reads ${manifestVersion}`,
      {
        next: [...deployAgain(name, path), say`or: npm install cdk-switchback@<the version that deployed it>`],
        exit: exit.usage,
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Stop('manifest.invalid', `the parameter ${name} cannot be read: ${issue?.path.join('.')}: ${issue?.message}`, {
      next: deployAgain(name, path),
      exit: exit.usage,
    });
  }
  return parsed.data;
}

/** A stack's own part is written by its deploy; the state is not. */
function deployAgain(name: string, path: string | undefined): Advice[] {
  const part = name.split('/').at(-1) ?? '';
  return part === 'state' ? [typed(`aws ssm get-parameter-history --name ${name}`)] : [deploy(stackAt(path, part))];
}

/** Of a shared part, also of one that cannot be read whole. */
function stackPathIn(text: string): string | undefined {
  try {
    const { stackPath } = JSON.parse(text) as { stackPath?: unknown };
    return typeof stackPath === 'string' ? stackPath : undefined;
  } catch {
    return undefined;
  }
}
