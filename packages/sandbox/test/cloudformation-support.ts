/** A CloudFormation without the other services: SSM parameters and functions are a map and a callback, S3 is the real one. */
import type { Service } from '../lib/service';
import { AwsError } from '../lib/service';
import { cloudformation } from '../lib/services/cloudformation';
import { s3 } from '../lib/services/s3';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

// biome-ignore lint/suspicious/noExplicitAny: templates and answers have one shape per test.
export type Any = any;

/** What a function behind a custom resource answers, or nothing at all. */
export type Function = (
  event: Any,
) => { Status: 'SUCCESS' | 'FAILED'; Reason?: string; PhysicalResourceId?: string; Data?: object } | undefined;

export class Stacks {
  readonly parameters = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  readonly calls: string[] = [];
  /** Names that SSM refuses to write or delete. */
  readonly refused = new Set<string>();
  readonly events: Any[] = [];
  answer: Function = () => ({ Status: 'SUCCESS' });
  sandbox!: TinySandbox;

  static async start(): Promise<Stacks> {
    const stacks = new Stacks();
    stacks.sandbox = await tinySandbox({
      cloudformation,
      s3,
      ssm: () => stacks.ssm(),
      lambda: () => stacks.lambda(),
      secretsmanager: () => stacks.secretsManager(),
    });
    return stacks;
  }

  call(operation: string, input: object = {}): Promise<Any> {
    return this.sandbox.call('cloudformation', operation, input);
  }

  async create(template: Any, input: object = {}, name = 'app'): Promise<Any> {
    await this.call('CreateStack', { StackName: name, TemplateBody: JSON.stringify(template), ...input });
    return this.settled(name);
  }

  async update(template: Any, input: object = {}, name = 'app'): Promise<Any> {
    await this.call('UpdateStack', { StackName: name, TemplateBody: JSON.stringify(template), ...input });
    return this.settled(name);
  }

  /** The stack once nothing is in progress. */
  async settled(name = 'app'): Promise<Any> {
    return eventually(async () => {
      const [stack] = (await this.call('DescribeStacks', { StackName: name })).Stacks;
      return !stack.StackStatus.endsWith('_IN_PROGRESS') && stack;
    });
  }

  /** `logicalId STATUS`, oldest first. */
  async story(name = 'app'): Promise<string[]> {
    const events = (await this.call('DescribeStackEvents', { StackName: name })).StackEvents as Any[];
    return events.reverse().map((event) => `${event.LogicalResourceId} ${event.ResourceStatus}`);
  }

  private ssm(): Service {
    const guard = (name: string): void => {
      if (this.refused.has(name)) throw new AwsError('AccessDenied', `no ${name} today`);
    };
    return {
      client: 'client-ssm',
      handlers: {
        PutParameter: ({ Name, Value, Overwrite }) => {
          guard(Name);
          if (this.parameters.has(Name) && !Overwrite) throw new AwsError('ParameterAlreadyExists', 'The parameter already exists.');
          this.calls.push(`put ${Name}=${Value}`);
          this.parameters.set(Name, Value);
          return { Version: 1 };
        },
        GetParameter: ({ Name }) => {
          if (!this.parameters.has(Name)) throw new AwsError('ParameterNotFound', '');
          return { Parameter: { Name, Value: this.parameters.get(Name) } };
        },
        DeleteParameter: ({ Name }) => {
          guard(Name);
          this.calls.push(`delete ${Name}`);
          this.parameters.delete(Name);
          return {};
        },
      },
    };
  }

  private lambda(): Service {
    return {
      client: 'client-lambda',
      handlers: {
        Invoke: ({ Payload }) => {
          const event = JSON.parse(Buffer.from(Payload).toString());
          this.events.push(event);
          const answer = this.answer(event);
          const [, bucket, key] = new URL(event.ResponseURL).pathname.split('/').map(decodeURIComponent);
          if (answer) void this.sandbox.call('s3', 'PutObject', { Bucket: bucket, Key: key, Body: Buffer.from(JSON.stringify(answer)) });
          return { StatusCode: 202 };
        },
      },
    };
  }

  private secretsManager(): Service {
    return {
      client: 'client-secrets-manager',
      handlers: { GetSecretValue: ({ SecretId }) => ({ ARN: SecretId, SecretString: this.secrets.get(SecretId) }) },
    };
  }
}

/** A resource that shows what happens to it: an SSM parameter. */
export const parameter = (value: unknown, more: object = {}, properties: object = {}): object => ({
  Type: 'AWS::SSM::Parameter',
  Properties: { Type: 'String', Value: value, ...properties },
  ...more,
});

export const named = (name: string, value: unknown, more: object = {}): object => parameter(value, more, { Name: name });
