/** Lambda: functions as real Node processes. Timeouts are real seconds; only the waits between retries are scaled. */
import { randomUUID } from 'node:crypto';
import type {
  AddPermissionRequest,
  CreateFunctionRequest,
  FunctionCode,
  InvocationRequest,
  PutFunctionEventInvokeConfigRequest,
  RemovePermissionRequest,
  UpdateFunctionCodeRequest,
  UpdateFunctionConfigurationRequest,
} from '@aws-sdk/client-lambda';
import { AwsError, type Sandbox, type Service } from '../../service';
import { CodeStore, configured, type FunctionRow, functionName, invalid, type PolicyStatement } from './functions';
import { Invoker } from './invoker';

const syncPayloadLimit = 6 * 1024 * 1024;
const asyncPayloadLimit = 1024 * 1024;

interface Named {
  FunctionName?: string;
}

export const lambda = (sandbox: Sandbox): Service => {
  const functions = sandbox.table<FunctionRow>('lambda.functions');
  const code = new CodeStore(sandbox);
  const invoker = new Invoker(sandbox, functions, code);

  const find = (input: Named): FunctionRow => {
    const name = functionName(input.FunctionName);
    const row = functions.get(name);
    if (!row) throw notFound(`Function not found: ${sandbox.arn('lambda', `function:${name}`)}`);
    return row;
  };
  const byArn = (input: { Resource?: string }) => find({ FunctionName: input.Resource });
  /** Stores a change of code or configuration: the next invocation starts an instance of it. */
  const changed = (row: FunctionRow): FunctionRow => {
    const stored = functions.set(row.name, {
      ...row,
      revision: row.revision + 1,
      revisionId: randomUUID(),
      lastModified: new Date().toISOString().replace('Z', '+0000'),
    });
    invoker.replace(row.name);
    return stored;
  };

  /** The first call of a function that slept fails, and has its network interfaces made; so does every call until they are there. */
  const awake = (row: FunctionRow): void => {
    if (row.state === 'Inactive') {
      functions.set(row.name, { ...row, state: 'Pending' });
      sandbox.after(row.wakesIn ?? 60, () => {
        const { state: _, wakesIn: __, ...active } = functions.get(row.name) ?? row;
        if (functions.has(row.name)) functions.set(row.name, active);
      });
      throw new AwsError('ResourceNotReadyException', 'The function is inactive and its VPC connection is no longer available.', 502);
    }
    if (row.state === 'Pending')
      throw new AwsError(
        'CodeArtifactUserPendingException',
        'Lambda is initializing your function. It will be ready to invoke shortly. The function is currently in the following state: Pending',
        409,
      );
  };

  return {
    client: 'client-lambda',
    async start() {
      invoker.start();
    },
    stop: () => invoker.stop(),
    faults: {
      async clock(target, seconds) {
        invoker.moveClock(find({ FunctionName: target }).name, seconds * 1000);
        return `the clock of ${target} is off by ${seconds} s from now on`;
      },
      async asleep(target, seconds) {
        const row = find({ FunctionName: target });
        if (!row.vpc) return `${target} is in no VPC, and does not sleep`;
        functions.set(row.name, { ...row, state: 'Inactive', wakesIn: seconds });
        invoker.replace(row.name);
        return `${target} is Inactive`;
      },
    },
    clear: () => invoker.rightClocks(),
    handlers: {
      async CreateFunction(input: CreateFunctionRequest) {
        const name = functionName(input.FunctionName);
        const taken = () => {
          if (functions.has(name)) throw conflict(`Function already exist: ${name}`);
        };
        taken();
        const row = configured(
          {
            name,
            arn: sandbox.arn('lambda', `function:${name}`),
            handler: '',
            runtime: '',
            role: '',
            description: '',
            timeout: 3,
            memory: 128,
            variables: {},
            architectures: input.Architectures ?? ['x86_64'],
            logGroup: `/aws/lambda/${name}`,
            codeSha256: '',
            codeSize: 0,
            tags: input.Tags ?? {},
            lastModified: '',
            revision: 0,
            revisionId: '',
            policy: [],
          },
          input,
        );
        const stored = await code.unpack(name, input.Code ?? {});
        // unpacking took a moment in which another may have made it.
        taken();
        return configuration(changed({ ...row, ...stored }));
      },

      async UpdateFunctionCode(input: UpdateFunctionCodeRequest) {
        const name = find(input).name;
        const stored = await code.unpack(name, input as FunctionCode);
        const row = find(input);
        if (input.DryRun) return configuration({ ...row, ...stored });
        return configuration(changed({ ...row, ...stored, architectures: input.Architectures ?? row.architectures }));
      },

      UpdateFunctionConfiguration(input: UpdateFunctionConfigurationRequest) {
        return configuration(changed(configured(find(input), input)));
      },

      GetFunction(input: Named) {
        const row = find(input);
        return {
          Configuration: configuration(row),
          Code: { RepositoryType: 'S3' },
          Tags: row.tags,
          ...(row.reserved !== undefined && { Concurrency: { ReservedConcurrentExecutions: row.reserved } }),
        };
      },

      GetFunctionConfiguration: (input: Named) => configuration(find(input)),

      ListFunctions(input: { Marker?: string; MaxItems?: number }) {
        const all = functions.values().sort((a, b) => (a.name < b.name ? -1 : 1));
        const from = Number(input.Marker ?? 0);
        const to = from + Math.min(input.MaxItems ?? 50, 50);
        return { Functions: all.slice(from, to).map(configuration), NextMarker: to < all.length ? String(to) : undefined };
      },

      DeleteFunction(input: Named) {
        const { name } = find(input);
        functions.delete(name);
        invoker.replace(name);
        code.remove(name);
        return {};
      },

      async Invoke(input: InvocationRequest) {
        const row = find(input);
        const event = eventOf(input.Payload);
        const requestId = randomUUID();
        const type = input.InvocationType ?? 'RequestResponse';
        if (type === 'DryRun') return { StatusCode: 204 };
        awake(row);
        checkSize(event, type === 'Event' ? asyncPayloadLimit : syncPayloadLimit);
        if (type === 'Event') {
          invoker.enqueue(row, event, requestId);
          return { StatusCode: 202 };
        }
        const outcome = await invoker.run(row, event, requestId);
        return {
          StatusCode: 200,
          ExecutedVersion: '$LATEST',
          ...(outcome.failed && { FunctionError: 'Unhandled' }),
          ...(input.LogType === 'Tail' && { LogResult: Buffer.from(outcome.log).toString('base64') }),
          ...answerOf(outcome.payload),
        };
      },

      PutFunctionConcurrency(input: Named & { ReservedConcurrentExecutions?: number }) {
        const row = find(input);
        const reserved = input.ReservedConcurrentExecutions ?? 0;
        const others = functions.values().reduce((sum, each) => sum + (each.name === row.name ? 0 : (each.reserved ?? 0)), 0);
        if (others + reserved > 900) {
          throw invalid(
            `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].`,
          );
        }
        functions.set(row.name, { ...row, reserved });
        return { ReservedConcurrentExecutions: reserved };
      },

      GetFunctionConcurrency(input: Named) {
        const { reserved } = find(input);
        return reserved === undefined ? {} : { ReservedConcurrentExecutions: reserved };
      },

      DeleteFunctionConcurrency(input: Named) {
        const { reserved: _, ...row } = find(input);
        functions.set(row.name, row);
        return {};
      },

      AddPermission(input: AddPermissionRequest) {
        const row = find(input);
        const sid = input.StatementId ?? '';
        if (row.policy.some((statement) => statement.Sid === sid)) {
          throw conflict(
            `The statement id (${sid}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
          );
        }
        const statement = statementOf(input, row.arn);
        functions.set(row.name, { ...row, policy: [...row.policy, statement] });
        return { Statement: JSON.stringify(statement) };
      },

      RemovePermission(input: RemovePermissionRequest) {
        const row = find(input);
        if (!row.policy.some((statement) => statement.Sid === input.StatementId)) {
          throw notFound(`Statement ${input.StatementId} is not found in resource policy.`);
        }
        functions.set(row.name, { ...row, policy: row.policy.filter((statement) => statement.Sid !== input.StatementId) });
        return {};
      },

      GetPolicy(input: Named) {
        const row = find(input);
        if (row.policy.length === 0) throw notFound('The resource you requested does not exist.');
        return { Policy: JSON.stringify({ Version: '2012-10-17', Id: 'default', Statement: row.policy }), RevisionId: row.revisionId };
      },

      TagResource(input: { Resource?: string; Tags?: Record<string, string> }) {
        const row = byArn(input);
        functions.set(row.name, { ...row, tags: { ...row.tags, ...input.Tags } });
        return {};
      },

      UntagResource(input: { Resource?: string; TagKeys?: string[] }) {
        const row = byArn(input);
        const tags = Object.fromEntries(Object.entries(row.tags).filter(([key]) => !input.TagKeys?.includes(key)));
        functions.set(row.name, { ...row, tags });
        return {};
      },

      ListTags: (input: { Resource?: string }) => ({ Tags: byArn(input).tags }),

      PutFunctionEventInvokeConfig(input: PutFunctionEventInvokeConfigRequest) {
        const row = find(input);
        const { MaximumRetryAttempts, MaximumEventAgeInSeconds } = input;
        const asyncConfig = { MaximumRetryAttempts, MaximumEventAgeInSeconds, LastModified: new Date() };
        functions.set(row.name, { ...row, asyncConfig });
        return { FunctionArn: `${row.arn}:$LATEST`, ...asyncConfig };
      },

      GetFunctionEventInvokeConfig(input: Named) {
        const row = find(input);
        if (!row.asyncConfig) throw notFound(`The function ${row.arn}:$LATEST doesn't have an EventInvokeConfig`);
        return { FunctionArn: `${row.arn}:$LATEST`, ...row.asyncConfig };
      },

      DeleteFunctionEventInvokeConfig(input: Named) {
        const { asyncConfig: _, ...row } = find(input);
        functions.set(row.name, row);
        return {};
      },
    },
  };
};

function configuration(row: FunctionRow) {
  return {
    FunctionName: row.name,
    FunctionArn: row.arn,
    Runtime: row.runtime,
    Role: row.role,
    Handler: row.handler,
    Description: row.description,
    Timeout: row.timeout,
    MemorySize: row.memory,
    LastModified: row.lastModified,
    CodeSha256: row.codeSha256,
    CodeSize: row.codeSize,
    Version: '$LATEST',
    VpcConfig: row.vpc,
    Environment: Object.keys(row.variables).length ? { Variables: row.variables } : undefined,
    Architectures: row.architectures,
    PackageType: 'Zip',
    RevisionId: row.revisionId,
    State: row.state ?? 'Active',
    LastUpdateStatus: 'Successful',
    TracingConfig: { Mode: 'PassThrough' },
    EphemeralStorage: { Size: 512 },
    LoggingConfig: { LogFormat: 'Text', LogGroup: row.logGroup },
  };
}

function eventOf(payload: Uint8Array | string | undefined): string {
  const text = payload === undefined || payload.length === 0 ? '{}' : Buffer.from(payload as Uint8Array).toString();
  try {
    JSON.parse(text);
  } catch (error) {
    throw new AwsError('InvalidRequestContentException', `Could not parse request body into json: ${(error as Error).message}`);
  }
  return text;
}

function checkSize(event: string, limit: number): void {
  const size = Buffer.byteLength(event);
  if (size <= limit) return;
  throw new AwsError('RequestTooLargeException', `${size} byte payload is too large for the invocation (limit ${limit} bytes)`, 413);
}

/** An answer beyond the limit is an error of the function, as on AWS. */
function answerOf(payload: string) {
  const size = Buffer.byteLength(payload);
  if (size <= syncPayloadLimit) return { Payload: Buffer.from(payload) };
  const errorMessage = `Response payload size (${size} bytes) exceeded maximum allowed payload size (${syncPayloadLimit} bytes).`;
  return {
    FunctionError: 'Unhandled',
    Payload: Buffer.from(JSON.stringify({ errorType: 'Function.ResponseSizeTooLarge', errorMessage })),
  };
}

function statementOf(input: AddPermissionRequest, resource: string): PolicyStatement {
  const principal = input.Principal ?? '';
  const condition = {
    ...(input.SourceArn && { ArnLike: { 'AWS:SourceArn': input.SourceArn } }),
    ...(input.SourceAccount && { StringEquals: { 'AWS:SourceAccount': input.SourceAccount } }),
  };
  return {
    Sid: input.StatementId ?? '',
    Effect: 'Allow',
    Principal: principal === '*' ? '*' : principal.endsWith('.amazonaws.com') ? { Service: principal } : { AWS: principal },
    Action: input.Action ?? '',
    Resource: resource,
    ...(Object.keys(condition).length && { Condition: condition }),
  };
}

const notFound = (message: string) => new AwsError('ResourceNotFoundException', message, 404);
const conflict = (message: string) => new AwsError('ResourceConflictException', message, 409);
