/** Reading templates: JSON as the CDK uploads it, YAML as `cdk bootstrap` sends it; parameters and their values. */
import type { CreateChangeSetInput, UpdateStackInput } from '@aws-sdk/client-cloudformation';
import { parse as parseYaml } from 'yaml';
import { AwsError, type Sandbox } from '../../service';
import type { Json, Parameter, ParameterDefinition, Template } from './records';

export const invalid = (message: string): AwsError => new AwsError('ValidationError', message);

const read = new Map<string, Template>();

/** The template of a body. Bodies are read once: an operation looks at the same one often. */
export function parseTemplate(body: string): Template {
  let template = read.get(body);
  if (!template) {
    if (read.size > 50) read.clear();
    template = parse(body);
    read.set(body, template);
  }
  return template;
}

function parse(body: string): Template {
  let value: unknown;
  try {
    value = body.trimStart().startsWith('{') ? JSON.parse(body) : parseYaml(body, { schema: 'core' });
  } catch (error) {
    throw invalid(`Template format error: ${(error as Error).message}`);
  }
  if (!value || typeof value !== 'object' || Array.isArray(value)) throw invalid('Template format error: unsupported structure.');
  const template = value as Template;
  if (!template.Resources || Object.keys(template.Resources).length === 0)
    throw invalid('Template format error: At least one Resources member must be defined.');
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (typeof resource?.Type !== 'string')
      throw invalid(`Template format error: [/Resources/${id}] Every Resources object must contain a Type member.`);
  }
  return template;
}

/** What an operation is given to make of a stack. */
export type Submission = Pick<
  CreateChangeSetInput & UpdateStackInput,
  'TemplateBody' | 'TemplateURL' | 'UsePreviousTemplate' | 'Parameters' | 'Tags' | 'Capabilities' | 'NotificationARNs'
>;

/** The text behind TemplateBody or TemplateURL. A URL always names an object in this sandbox's own S3. */
export async function templateBody(sandbox: Sandbox, input: { TemplateBody?: string; TemplateURL?: string }): Promise<string | undefined> {
  if (input.TemplateBody) return input.TemplateBody;
  if (!input.TemplateURL) return undefined;
  const url = new URL(input.TemplateURL);
  const virtual = /^(.+)\.s3[.-]/.exec(url.hostname)?.[1];
  const [first = '', ...rest] = decodeURIComponent(url.pathname).slice(1).split('/');
  const [bucket, key] = virtual ? [virtual, [first, ...rest].join('/')] : [first, rest.join('/')];
  try {
    return await text((await sandbox.call('s3', 'GetObject', { Bucket: bucket, Key: key })).Body);
  } catch (error) {
    throw invalid(`S3 error: could not read the template ${input.TemplateURL}: ${(error as Error).message}`);
  }
}

/** A body of S3, Lambda or the like in process: text, bytes, or a stream of bytes. */
export async function text(body: unknown): Promise<string> {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8');
  const parts: Uint8Array[] = [];
  for await (const part of body as AsyncIterable<Uint8Array>) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString('utf8');
}

interface GivenParameter {
  ParameterKey?: string;
  ParameterValue?: string;
  UsePreviousValue?: boolean;
}

/** Values for the template's parameters; SSM parameter types are read from SSM, again on every update. */
export async function resolveParameters(
  sandbox: Sandbox,
  template: Template,
  given: readonly GivenParameter[],
  previous: readonly Parameter[],
): Promise<Parameter[]> {
  const definitions = template.Parameters ?? {};
  const unknown = given.filter((parameter) => !(parameter.ParameterKey! in definitions)).map((parameter) => parameter.ParameterKey);
  if (unknown.length > 0) throw invalid(`Parameters: [${unknown.join(', ')}] do not exist in the template`);
  const missing: string[] = [];
  const parameters: Parameter[] = [];
  for (const [key, definition] of Object.entries(definitions)) {
    const own = given.find((parameter) => parameter.ParameterKey === key);
    const value = own?.UsePreviousValue
      ? previous.find((parameter) => parameter.key === key)?.value
      : (own?.ParameterValue ?? (definition.Default === undefined ? undefined : plain(definition.Default)));
    if (value === undefined) {
      missing.push(key);
      continue;
    }
    check(key, value, definition);
    parameters.push({ key, value, resolved: await fromSsm(sandbox, definition, value), noEcho: String(definition.NoEcho) === 'true' });
  }
  if (missing.length > 0) throw invalid(`Parameters: [${missing.join(', ')}] must have values`);
  return parameters;
}

/** A parameter's value as text: lists with commas. */
export const plain = (value: Json): string => (Array.isArray(value) ? value.join(',') : String(value));

function check(key: string, value: string, definition: ParameterDefinition): void {
  const why = definition.ConstraintDescription ? `: ${definition.ConstraintDescription}` : '';
  if (definition.AllowedValues && !definition.AllowedValues.map(String).includes(value))
    throw invalid(`Parameter '${key}' must be one of AllowedValues${why}`);
  if (definition.AllowedPattern && !new RegExp(`^(?:${definition.AllowedPattern})$`).test(value))
    throw invalid(`Parameter '${key}' must match pattern ${definition.AllowedPattern}${why}`);
  if (definition.MinLength !== undefined && value.length < Number(definition.MinLength))
    throw invalid(`Parameter '${key}' must contain at least ${definition.MinLength} characters${why}`);
  if (definition.MaxLength !== undefined && value.length > Number(definition.MaxLength))
    throw invalid(`Parameter '${key}' must contain at most ${definition.MaxLength} characters${why}`);
  if (definition.Type === 'Number' && Number.isNaN(Number(value))) throw invalid(`Parameter '${key}' must be a number`);
}

async function fromSsm(sandbox: Sandbox, definition: ParameterDefinition, value: string): Promise<string> {
  if (!definition.Type.startsWith('AWS::SSM::Parameter::Value')) return value;
  try {
    return (await sandbox.call('ssm', 'GetParameter', { Name: value })).Parameter.Value;
  } catch {
    throw invalid(`Unable to fetch parameters [${value}] from parameter store for this account.`);
  }
}
