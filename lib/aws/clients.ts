/**
 * The SDK clients, made once and only when asked for: each costs tens of milliseconds to load (style.md, section 3).
 * Region, credentials and endpoint come from the environment, as with every AWS tool; `AWS_ENDPOINT_URL` is all that
 * tells the sandbox from an account.
 */
import type { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling';
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import type { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { ECSClient } from '@aws-sdk/client-ecs';
import type { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import type { RDSClient } from '@aws-sdk/client-rds';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SchedulerClient } from '@aws-sdk/client-scheduler';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { SSMClient } from '@aws-sdk/client-ssm';
import type { STSClient } from '@aws-sdk/client-sts';
import { isUnanswered } from './outcome';

export interface Clients {
  readonly elbv2: ElasticLoadBalancingV2Client;
  readonly rds: RDSClient;
  readonly ecs: ECSClient;
  readonly s3: S3Client;
  readonly ssm: SSMClient;
  readonly secrets: SecretsManagerClient;
  readonly lambda: LambdaClient;
  readonly scheduler: SchedulerClient;
  readonly scaling: ApplicationAutoScalingClient;
  readonly cloudformation: CloudFormationClient;
  readonly cloudwatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
  readonly sts: STSClient;
}

/** Two attempts of what only looks, and of what was refused for load. */
const maxAttempts = 2;
/** The SDK waits for ever by itself: a wire that swallows everything would hold the night until the runner's time is over. */
const connectionTimeout = 5000;
const answerTimeout = 30_000;
/** Twice, with a pause: after about 7 seconds a person knows. */
const firstAnswerMs = 3000;

/** Called before every attempt of a call that changes something; what it throws keeps the call from being sent. */
export type BeforeChange = () => Promise<void>;

/** Told by every answer of AWS: the time at which it was made (milliseconds since the epoch), and what it took to come. */
export type Heard = (date: number, tookMs: number) => void;

/**
 * `beforeChange` is asked for at each call. The journal's own calls are not asked: it is what the answer comes from.
 * An answer that is not there after `requestTimeout` milliseconds is lost; `attempts` are the SDK's own, of what only looks.
 */
export function makeClients(
  beforeChange: () => BeforeChange | undefined = () => undefined,
  heard: Heard = () => undefined,
  requestTimeout = answerTimeout,
  attempts = maxAttempts,
): Clients {
  const options = { maxAttempts: attempts, requestHandler: { connectionTimeout, requestTimeout, throwOnRequestTimeout: true } };
  const made = new Map<string, unknown>();
  const once = <T>(name: string, make: () => T): T => {
    let client = made.get(name) as T | undefined;
    if (client === undefined) {
      client = make();
      if (name !== 's3') askBefore(client as Sendable, beforeChange);
      listen(client as Sendable, heard);
      made.set(name, client);
    }
    return client;
  };
  return {
    get elbv2() {
      return once(
        'elbv2',
        () =>
          new (load<typeof import('@aws-sdk/client-elastic-load-balancing-v2')>(() =>
            require('@aws-sdk/client-elastic-load-balancing-v2'),
          ).ElasticLoadBalancingV2Client)(options),
      );
    },
    get rds() {
      return once('rds', () => new (load<typeof import('@aws-sdk/client-rds')>(() => require('@aws-sdk/client-rds')).RDSClient)(options));
    },
    get ecs() {
      return once('ecs', () => new (load<typeof import('@aws-sdk/client-ecs')>(() => require('@aws-sdk/client-ecs')).ECSClient)(options));
    },
    get s3() {
      // path style: a bucket name in the host name does not resolve on a laptop.
      return once(
        's3',
        () =>
          new (load<typeof import('@aws-sdk/client-s3')>(() => require('@aws-sdk/client-s3')).S3Client)({
            ...options,
            forcePathStyle: Boolean(process.env['AWS_ENDPOINT_URL']),
          }),
      );
    },
    get ssm() {
      return once('ssm', () => new (load<typeof import('@aws-sdk/client-ssm')>(() => require('@aws-sdk/client-ssm')).SSMClient)(options));
    },
    get secrets() {
      return once(
        'secrets',
        () =>
          new (load<typeof import('@aws-sdk/client-secrets-manager')>(() =>
            require('@aws-sdk/client-secrets-manager'),
          ).SecretsManagerClient)(options),
      );
    },
    get lambda() {
      // an invocation of the runner lasts as long as its steps; the SDK must neither give up nor send it twice.
      return once(
        'lambda',
        () =>
          new (load<typeof import('@aws-sdk/client-lambda')>(() => require('@aws-sdk/client-lambda')).LambdaClient)({
            maxAttempts: 1,
            requestHandler: { connectionTimeout },
          }),
      );
    },
    get scheduler() {
      return once(
        'scheduler',
        () => new (load<typeof import('@aws-sdk/client-scheduler')>(() => require('@aws-sdk/client-scheduler')).SchedulerClient)(options),
      );
    },
    get scaling() {
      return once(
        'scaling',
        () =>
          new (load<typeof import('@aws-sdk/client-application-auto-scaling')>(() =>
            require('@aws-sdk/client-application-auto-scaling'),
          ).ApplicationAutoScalingClient)(options),
      );
    },
    get cloudformation() {
      return once(
        'cloudformation',
        () =>
          new (load<typeof import('@aws-sdk/client-cloudformation')>(() => require('@aws-sdk/client-cloudformation')).CloudFormationClient)(
            options,
          ),
      );
    },
    get cloudwatch() {
      return once(
        'cloudwatch',
        () =>
          new (load<typeof import('@aws-sdk/client-cloudwatch')>(() => require('@aws-sdk/client-cloudwatch')).CloudWatchClient)(options),
      );
    },
    get logs() {
      return once(
        'logs',
        () =>
          new (load<typeof import('@aws-sdk/client-cloudwatch-logs')>(() =>
            require('@aws-sdk/client-cloudwatch-logs'),
          ).CloudWatchLogsClient)(options),
      );
    },
    get sts() {
      // the first call of a command: what takes connections and never answers is said while somebody still looks at the screen.
      const first = { ...options, requestHandler: { ...options.requestHandler, requestTimeout: firstAnswerMs } };
      return once('sts', () => new (load<typeof import('@aws-sdk/client-sts')>(() => require('@aws-sdk/client-sts')).STSClient)(first));
    },
  };
}

interface Sendable {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: never) => Promise<unknown>, context: { commandName?: string }) => (args: never) => Promise<unknown>,
      options: { step: 'finalizeRequest'; priority: 'low'; name: string },
    ): void;
  };
}

const reads = /^(Describe|List|Get|Head|Filter)/;

/** Within the SDK's own retries, so that each attempt is asked for: the machine may have slept between two of them. */
function askBefore(client: Sendable, beforeChange: () => BeforeChange | undefined): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) => {
      if (reads.test(commandName)) return next;
      let unanswered: unknown;
      return async (args) => {
        const asked = beforeChange();
        // the SDK would send it again; a run looks first.
        if (asked && unanswered !== undefined) throw unanswered;
        await asked?.();
        try {
          return await next(args);
        } catch (error) {
          if (isUnanswered(error)) unanswered = error;
          throw error;
        }
      };
    },
    { step: 'finalizeRequest', priority: 'low', name: 'switchbackBeforeChange' },
  );
}

/** Each attempt's answer, refusals too, has AWS's time in it. */
function listen(client: Sendable, heard: Heard): void {
  const hear = (answered: unknown, from: number): void => {
    const date = Date.parse((answered as { headers?: Record<string, string> } | undefined)?.headers?.['date'] ?? '');
    if (!Number.isNaN(date)) heard(date, performance.now() - from);
  };
  client.middlewareStack.add(
    (next) => async (args) => {
      const from = performance.now();
      try {
        const result = await next(args);
        hear((result as { response?: unknown }).response, from);
        return result;
      } catch (error) {
        hear((error as { $response?: unknown }).$response, from);
        throw error;
      }
    },
    { step: 'finalizeRequest', priority: 'low', name: 'switchbackHear' },
  );
}

const load = <T>(module: () => unknown): T => module() as T;
