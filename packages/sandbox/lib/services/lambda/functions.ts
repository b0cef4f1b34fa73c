/** Functions as they are stored: their configuration, checked as AWS checks it, and their code, unpacked into a folder. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { CreateFunctionRequest, FunctionCode, UpdateFunctionConfigurationRequest } from '@aws-sdk/client-lambda';
import { unzipSync } from 'fflate';
import { AwsError, type Sandbox } from '../../service';

export interface FunctionRow {
  name: string;
  arn: string;
  handler: string;
  runtime: string;
  role: string;
  description: string;
  timeout: number;
  memory: number;
  variables: Record<string, string>;
  vpc?: { SubnetIds: string[]; SecurityGroupIds: string[] };
  architectures: string[];
  logGroup: string;
  codeSha256: string;
  codeSize: number;
  tags: Record<string, string>;
  lastModified: string;
  revision: number;
  revisionId: string;
  reserved?: number;
  /** Not set: active. A function in a VPC that nobody has asked for a while goes Inactive, and the next call makes it Pending. */
  state?: 'Inactive' | 'Pending';
  /** AWS seconds that it will be Pending. */
  wakesIn?: number;
  policy: PolicyStatement[];
  asyncConfig?: { MaximumRetryAttempts?: number; MaximumEventAgeInSeconds?: number; LastModified: Date };
}

export interface PolicyStatement {
  Sid: string;
  Effect: 'Allow';
  Principal: unknown;
  Action: string;
  Resource: string;
  Condition?: Record<string, Record<string, string>>;
}

const unzippedLimit = 250 * 1024 * 1024;
const zippedLimit = 50 * 1024 * 1024;

const reservedVariables = new Set(
  `_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_MEMORY_SIZE
  AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY
  AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR`.split(/\s+/),
);

export const invalid = (message: string) => new AwsError('InvalidParameterValueException', message);

/** The name in `name`, `name:qualifier`, `account:function:name` or a whole ARN. */
export function functionName(given: string | undefined): string {
  const match = /^(?:arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:|\d{12}:function:|function:)?([\w-]{1,64})(?::([\w$-]+))?$/.exec(
    given ?? '',
  );
  if (!match) {
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value '${given}' at 'functionName' failed to satisfy constraint: Member must be a function name of up to 64 letters, digits, - and _, or a function ARN`,
    );
  }
  const qualifier = match[2];
  if (qualifier && qualifier !== '$LATEST') {
    throw new AwsError('ResourceNotFoundException', `Function not found: ${given} (the sandbox serves $LATEST only)`, 404);
  }
  return match[1] ?? '';
}

type Given = CreateFunctionRequest | UpdateFunctionConfigurationRequest;

/** A row with what `given` says changed; refuses what AWS refuses, and what the sandbox would not do. */
export function configured(row: FunctionRow, given: Given): FunctionRow {
  const next: FunctionRow = {
    ...row,
    handler: given.Handler ?? row.handler,
    runtime: given.Runtime ?? row.runtime,
    role: given.Role ?? row.role,
    description: given.Description ?? row.description,
    timeout: given.Timeout ?? row.timeout,
    memory: given.MemorySize ?? row.memory,
    variables: given.Environment ? (given.Environment.Variables ?? {}) : row.variables,
    logGroup: given.LoggingConfig?.LogGroup ?? row.logGroup,
  };
  if (given.VpcConfig) {
    next.vpc = { SubnetIds: given.VpcConfig.SubnetIds ?? [], SecurityGroupIds: given.VpcConfig.SecurityGroupIds ?? [] };
  }
  if (!/^nodejs\d+\.x$/.test(next.runtime)) {
    throw invalid(`The sandbox runs functions of the Node.js runtimes only; ${next.name} asks for ${next.runtime || 'none'}`);
  }
  if (!/^[^\s]+\.[^\s]+$/.test(next.handler)) throw invalid(`Handler must be file.export; ${next.name} has '${next.handler}'`);
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/.+/.test(next.role)) {
    throw invalid(`The role defined for the function cannot be assumed by Lambda: '${next.role}' is not the ARN of a role`);
  }
  if (given.Layers?.length) throw invalid(`The sandbox does not serve layers; ${next.name} has ${given.Layers.join(', ')}`);
  between('timeout', next.timeout, 1, 900);
  between('memorySize', next.memory, 128, 10_240);
  checkVariables(next.variables);
  return next;
}

function between(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new AwsError(
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: Member must be a whole number from ${low} to ${high}`,
  );
}

function checkVariables(variables: Record<string, string>): void {
  const cannot = 'Lambda was unable to configure your environment variables because the environment variables you have provided';
  const reserved = Object.keys(variables).filter((name) => reservedVariables.has(name));
  if (reserved.length) {
    throw invalid(
      `${cannot} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: ${reserved.join(', ')}`,
    );
  }
  if (Buffer.byteLength(JSON.stringify(variables)) > 4096) throw invalid(`${cannot} exceeded the 4KB limit.`);
}

/** Unpacked code, one folder per zip, so that an instance of the old code can finish while the new one starts. */
export class CodeStore {
  private readonly folder: string;

  constructor(private readonly sandbox: Sandbox) {
    this.folder = join(sandbox.folder, 'lambda', 'code');
  }

  folderOf(row: Pick<FunctionRow, 'name' | 'codeSha256'>): string {
    return join(this.folder, row.name, Buffer.from(row.codeSha256, 'base64').toString('hex').slice(0, 16));
  }

  /** Reads the zip from the request or from S3 and unpacks it. */
  async unpack(name: string, code: FunctionCode): Promise<{ codeSha256: string; codeSize: number }> {
    const zip = await this.zipOf(code);
    const stored = { codeSha256: createHash('sha256').update(zip).digest('base64'), codeSize: zip.length };
    const folder = this.folderOf({ name, ...stored });
    if (existsSync(folder)) return stored;
    let files: Record<string, Uint8Array>;
    try {
      files = unzipSync(zip);
    } catch {
      throw invalid('Could not unzip uploaded file. Please check your file, then try to upload again.');
    }
    const size = Object.values(files).reduce((sum, file) => sum + file.length, 0);
    if (size > unzippedLimit) throw invalid(`Unzipped size must be smaller than ${unzippedLimit} bytes`);
    // unpacked beside and renamed, so that a folder is either whole or not there.
    const fresh = `${folder}.${this.sandbox.id(8)}`;
    mkdirSync(fresh, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      const file = join(fresh, path);
      if (!file.startsWith(fresh + sep)) throw invalid(`The zip holds a path outside of itself: ${path}`);
      if (path.endsWith('/')) continue;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, 0o755);
    }
    if (existsSync(folder)) rmSync(fresh, { recursive: true });
    else renameSync(fresh, folder);
    return stored;
  }

  remove(name: string): void {
    rmSync(join(this.folder, name), { recursive: true, force: true });
  }

  /** Deletes the code that no function has any more; only while nothing runs. */
  prune(rows: FunctionRow[]): void {
    const kept = new Set(rows.map((row) => this.folderOf(row)));
    if (!existsSync(this.folder)) return;
    for (const name of readdirSync(this.folder)) {
      for (const version of readdirSync(join(this.folder, name))) {
        const folder = join(this.folder, name, version);
        if (!kept.has(folder)) rmSync(folder, { recursive: true });
      }
    }
  }

  private async zipOf(code: FunctionCode): Promise<Uint8Array> {
    if (code.ImageUri) throw invalid(`The sandbox runs zip packages only, not the image ${code.ImageUri}`);
    if (code.ZipFile) {
      if (code.ZipFile.length > zippedLimit)
        throw new AwsError('RequestEntityTooLargeException', `Request must be smaller than ${zippedLimit} bytes`, 413);
      return code.ZipFile;
    }
    if (!code.S3Bucket || !code.S3Key) throw invalid('Please provide a source for function code.');
    const where = { Bucket: code.S3Bucket, Key: code.S3Key, VersionId: code.S3ObjectVersion };
    try {
      return await bytesOf((await this.sandbox.call('s3', 'GetObject', where)).Body);
    } catch (error) {
      throw invalid(
        `Error occurred while GetObject. S3 Error Code: ${(error as Error).name}. S3 Error Message: ${(error as Error).message} (s3://${code.S3Bucket}/${code.S3Key})`,
      );
    }
  }
}

/** A body as S3 may answer it: bytes, text or a stream. */
async function bytesOf(body: Uint8Array | string | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}
