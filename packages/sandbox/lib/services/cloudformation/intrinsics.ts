/** Intrinsic functions, pseudo parameters, conditions and dynamic references. */
import type { Sandbox } from '../../service';
import type { Json, Parameter, Template } from './records';
import { invalid } from './template';

/** What a value that only exists once a resource exists is called while a change set is planned. */
export const knownAfterApply = '{{changeSet:KNOWN_AFTER_APPLY}}';

/** A property that is to be left out. */
const noValue = Symbol('AWS::NoValue');

export interface Lookup {
  readonly sandbox: Sandbox;
  readonly template: Template;
  readonly parameters: readonly Parameter[];
  readonly stack: { readonly id: string; readonly name: string };
  readonly notificationArns: readonly string[];
  /** The physical id of a resource. */
  ref(logicalId: string): string;
  attribute(logicalId: string, name: string): Json;
  /** The value another stack exports. */
  imported(name: string): string;
  /** The value of an output of another stack, as it is now. */
  outputOf(stackName: string, outputName: string): string;
}

export class Evaluator {
  private readonly conditions = new Map<string, boolean>();

  constructor(private readonly lookup: Lookup) {}

  /** The value with every intrinsic function applied. References to secrets stay as they are: see `resolveSecrets`. */
  value(node: Json): Json {
    const result = this.evaluate(node);
    return typeof result === 'symbol' ? undefined : (result as Json);
  }

  text(node: Json): string {
    const value = this.value(node);
    if (value === undefined || value === null) return '';
    if (typeof value === 'object') throw invalid(`Template error: expected a string and got ${JSON.stringify(value)}`);
    return String(value);
  }

  condition(name: string): boolean {
    const known = this.conditions.get(name);
    if (known !== undefined) return known;
    const node = this.lookup.template.Conditions?.[name];
    if (node === undefined) throw invalid(`Template format error: Unresolved condition dependency ${name}`);
    const result = this.truth(node);
    this.conditions.set(name, result);
    return result;
  }

  /** Whether the resource or output is in the stack at all. */
  active(definition: { readonly Condition?: string }): boolean {
    return definition.Condition === undefined || this.condition(definition.Condition);
  }

  /** Logical ids that a value refers to, by Ref, GetAtt or Sub, in the branches that conditions choose. */
  references(node: Json, found = new Set<string>()): Set<string> {
    if (Array.isArray(node)) for (const item of node) this.references(item, found);
    if (!node || typeof node !== 'object' || Array.isArray(node)) return found;
    const [name, argument] = single(node);
    if (name === 'Ref') found.add(String(argument));
    else if (name === 'Fn::GetAtt') found.add(attributePath(argument)[0]);
    else if (name === 'Fn::Sub') {
      const [pattern, own] = substitution(argument);
      for (const [, variable = ''] of pattern.matchAll(placeholder)) if (!(variable in own)) found.add(variable.split('.')[0]!);
      this.references(own, found);
    } else if (name === 'Fn::If' && Array.isArray(argument))
      this.references(this.condition(String(argument[0])) ? argument[1] : argument[2], found);
    else for (const child of Object.values(node)) this.references(child, found);
    return found;
  }

  private truth(node: Json): boolean {
    const [name, argument] = single(node);
    const list = (Array.isArray(argument) ? argument : [argument]) as Json[];
    if (name === 'Condition') return this.condition(String(argument));
    if (name === 'Fn::Equals') return JSON.stringify(comparable(this.value(list[0]))) === JSON.stringify(comparable(this.value(list[1])));
    if (name === 'Fn::Not') return !this.truth(list[0]);
    if (name === 'Fn::And') return list.every((item) => this.truth(item));
    if (name === 'Fn::Or') return list.some((item) => this.truth(item));
    throw invalid(`Template error: every condition must be Fn::Equals, Fn::Not, Fn::And, Fn::Or or Condition, got ${JSON.stringify(node)}`);
  }

  private evaluate(node: Json): Json | symbol {
    if (typeof node === 'string') return this.ssm(node);
    if (Array.isArray(node)) return node.map((item) => this.evaluate(item)).filter((item) => item !== noValue) as Json[];
    if (!node || typeof node !== 'object') return node;
    const [name, argument] = single(node);
    if (name === 'Ref') return this.ref(String(argument));
    if (name === 'Condition' && typeof argument === 'string' && argument in (this.lookup.template.Conditions ?? {}))
      return this.condition(argument);
    if (name?.startsWith('Fn::')) return this.call(name, argument);
    const result: { [key: string]: Json } = {};
    for (const [key, child] of Object.entries(node)) {
      const value = this.evaluate(child);
      if (value !== noValue) result[key] = value as Json;
    }
    return result;
  }

  private call(name: string, argument: Json): Json | symbol {
    const list = (Array.isArray(argument) ? argument : [argument]) as Json[];
    switch (name) {
      case 'Fn::GetAtt': {
        const [id, attribute] = attributePath(argument);
        return this.lookup.attribute(id, this.text(attribute));
      }
      case 'Fn::Sub':
        return this.sub(argument);
      case 'Fn::Join': {
        const parts = this.value(list[1]);
        if (parts === knownAfterApply) return knownAfterApply;
        return ((parts ?? []) as Json[]).map((part) => String(part)).join(String(list[0] ?? ''));
      }
      case 'Fn::Select': {
        const items = this.value(list[1]);
        if (!Array.isArray(items)) return knownAfterApply;
        const index = Number(this.value(list[0]));
        if (!(index in items)) throw invalid(`Template error: Fn::Select cannot select nonexistent value at index ${index}`);
        return items[index];
      }
      case 'Fn::Split': {
        const source = this.text(list[1]);
        return source.includes(knownAfterApply) ? knownAfterApply : source.split(String(list[0]));
      }
      case 'Fn::If':
        return this.evaluate(this.condition(String(list[0])) ? list[1] : list[2]);
      case 'Fn::Equals':
      case 'Fn::Not':
      case 'Fn::And':
      case 'Fn::Or':
        return this.truth({ [name]: argument });
      case 'Fn::FindInMap': {
        const [map, first, second] = list.slice(0, 3).map((part) => this.text(part));
        const found = this.lookup.template.Mappings?.[map!]?.[first!]?.[second!];
        if (found !== undefined) return found;
        const fallback = list[3] as { DefaultValue?: Json } | undefined;
        if (fallback?.DefaultValue !== undefined) return this.evaluate(fallback.DefaultValue);
        throw invalid(`Template error: Unable to get mapping for ${map}::${first}::${second}`);
      }
      case 'Fn::GetAZs': {
        const region = this.text(list[0]) || this.lookup.sandbox.region;
        return ['a', 'b', 'c'].map((zone) => region + zone);
      }
      case 'Fn::Base64':
        return Buffer.from(this.text(argument)).toString('base64');
      case 'Fn::ImportValue':
        return this.lookup.imported(this.text(argument));
      case 'Fn::GetStackOutput':
        return this.outputOf(argument);
      case 'Fn::Cidr': {
        const block = this.text(list[0]);
        return block === knownAfterApply ? block : cidr(block, Number(this.value(list[1])), Number(this.value(list[2] ?? 8)));
      }
      case 'Fn::ToJsonString':
        return JSON.stringify(this.value(argument));
      case 'Fn::Length':
        return ((this.value(argument) ?? []) as Json[]).length;
      default:
        throw invalid(`Template error: the sandbox does not serve the intrinsic function ${name}`);
    }
  }

  /** A weak reference: read at every create and update, and nothing keeps the other stack from changing it. */
  private outputOf(argument: Json): string {
    const { sandbox, outputOf } = this.lookup;
    const given = (argument ?? {}) as { [key: string]: Json };
    const [stack, output, region, role] = ['StackName', 'OutputName', 'Region', 'RoleArn'].map((name) => this.text(given[name]));
    if (!stack || !output) throw invalid('Template error: Fn::GetStackOutput needs StackName and OutputName');
    if (region && region !== sandbox.region)
      throw invalid(`Template error: Fn::GetStackOutput of ${stack} in ${region}: the sandbox has stacks in ${sandbox.region} only`);
    if (role && role.split(':')[4] !== sandbox.account)
      throw invalid(`Template error: Fn::GetStackOutput of ${stack} by ${role}: the sandbox has stacks of ${sandbox.account} only`);
    return outputOf(stack, output);
  }

  private sub(argument: Json): string {
    const [pattern, own] = substitution(argument);
    const replaced = pattern.replace(placeholder, (_all, variable: string) => {
      if (variable.startsWith('!')) return `\${${variable.slice(1)}}`;
      if (variable in own) return this.text(own[variable]);
      const [id = '', ...path] = variable.split('.');
      return path.length > 0 && !variable.startsWith('AWS::')
        ? String(this.lookup.attribute(id, path.join('.')) ?? '')
        : String(this.value({ Ref: variable }) ?? '');
    });
    return this.ssm(replaced);
  }

  private ref(name: string): Json | symbol {
    const { sandbox, stack } = this.lookup;
    switch (name) {
      case 'AWS::Region':
        return sandbox.region;
      case 'AWS::AccountId':
        return sandbox.account;
      case 'AWS::Partition':
        return 'aws';
      case 'AWS::URLSuffix':
        return 'amazonaws.com';
      case 'AWS::StackName':
        return stack.name;
      case 'AWS::StackId':
        return stack.id;
      case 'AWS::NoValue':
        return noValue;
      case 'AWS::NotificationARNs':
        return [...this.lookup.notificationArns];
    }
    const parameter = this.lookup.parameters.find((candidate) => candidate.key === name);
    if (!parameter) return this.lookup.ref(name);
    const type = this.lookup.template.Parameters?.[name]?.Type ?? 'String';
    if (/CommaDelimitedList|List</.test(type))
      return parameter.resolved === '' ? [] : parameter.resolved.split(',').map((item) => item.trim());
    return parameter.resolved;
  }

  // ssm references are plain values: they are read here, and so compared, on every create and update.
  private ssm(value: string): string {
    return value.replace(/\{\{resolve:ssm:([^:}]+)(?::(\d+))?\}\}/g, (_all, name: string, version?: string) => {
      const read = this.ssmValues?.get(version ? `${name}:${version}` : name);
      return read ?? _all;
    });
  }

  private ssmValues: ReadonlyMap<string, string> | undefined;

  /** Reads the SSM parameters that dynamic references in the template name, so that evaluation itself need not wait. */
  async readSsm(): Promise<this> {
    const values = new Map<string, string>();
    for (const [, name = '', version] of JSON.stringify(this.lookup.template).matchAll(/\{\{resolve:ssm:([^:}$"]+)(?::(\d+))?\}\}/g)) {
      const key = version ? `${name}:${version}` : name;
      if (!values.has(key)) {
        const answer = await this.lookup.sandbox.call('ssm', 'GetParameter', { Name: key }).catch(() => undefined);
        if (!answer) throw invalid(`Parameters: [ssm:${key}] cannot be found.`);
        values.set(key, answer.Parameter.Value);
      }
    }
    this.ssmValues = values;
    return this;
  }
}

/** Properties with references to secrets (`secretsmanager`, `ssm-secure`) replaced: only on the way to a service. */
export async function resolveSecrets<T extends Json>(sandbox: Sandbox, node: T): Promise<T> {
  if (typeof node === 'string') {
    let text: string = node;
    for (const [all, service, rest = ''] of node.matchAll(/\{\{resolve:(secretsmanager|ssm-secure|ssm):(.+?)\}\}/g))
      text = text.split(all).join(await secret(sandbox, service!, rest));
    return text as T;
  }
  if (Array.isArray(node)) return (await Promise.all(node.map((item) => resolveSecrets(sandbox, item)))) as T;
  if (!node || typeof node !== 'object') return node;
  const entries = await Promise.all(Object.entries(node).map(async ([key, child]) => [key, await resolveSecrets(sandbox, child)] as const));
  return Object.fromEntries(entries) as T;
}

async function secret(sandbox: Sandbox, service: string, rest: string): Promise<string> {
  if (service !== 'secretsmanager')
    return (await sandbox.call('ssm', 'GetParameter', { Name: rest, WithDecryption: true })).Parameter.Value;
  // secret-id : SecretString : json-key : version-stage : version-id, where an ARN brings six colons of its own.
  const parts = rest.split(':');
  const id = parts.splice(0, rest.startsWith('arn:') ? 7 : 1).join(':');
  const [, key, stage, version] = parts;
  const answer = await sandbox.call('secretsmanager', 'GetSecretValue', {
    SecretId: id,
    ...(stage ? { VersionStage: stage } : {}),
    ...(version ? { VersionId: version } : {}),
  });
  if (!key) return answer.SecretString;
  const value = (JSON.parse(answer.SecretString) as Record<string, unknown>)[key];
  if (value === undefined) throw invalid(`Could not find a value associated with JSONKey ${key} in the SecretString of ${id}`);
  return String(value);
}

const placeholder = /\$\{([^}]+)\}/g;

function substitution(argument: Json): [string, { [key: string]: Json }] {
  return Array.isArray(argument) ? [String(argument[0]), (argument[1] ?? {}) as { [key: string]: Json }] : [String(argument), {}];
}

function attributePath(argument: Json): [string, Json] {
  if (Array.isArray(argument)) return [String(argument[0]), argument.length > 2 ? argument.slice(1).join('.') : argument[1]];
  const [id = '', ...path] = String(argument).split('.');
  return [id, path.join('.')];
}

function single(node: Json): [string | undefined, Json] {
  if (!node || typeof node !== 'object' || Array.isArray(node)) return [undefined, undefined];
  const keys = Object.keys(node);
  return keys.length === 1 ? [keys[0], node[keys[0]!]] : [undefined, undefined];
}

const comparable = (value: Json): Json => (value === null || value === undefined ? '' : typeof value === 'object' ? value : String(value));

function cidr(block: string, count: number, hostBits: number): string[] {
  const [address = '', prefix = '32'] = block.split('/');
  const base = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** hostBits;
  if (count * size > 2 ** (32 - Number(prefix)))
    throw invalid(`Template error: Fn::Cidr: ${count} blocks of ${hostBits} bits do not fit ${block}`);
  return Array.from({ length: count }, (_unused, index) => {
    const start = base + index * size;
    return `${[24, 16, 8, 0].map((shift) => Math.floor(start / 2 ** shift) % 256).join('.')}/${32 - hostBits}`;
  });
}
