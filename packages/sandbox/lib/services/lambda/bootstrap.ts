/**
 * The program every function instance runs: it loads the handler and serves invocations one at a time over IPC.
 * Kept as text, and written to a file when the sandbox starts, so that it is the same whether this code runs from
 * TypeScript, from jest or from a bundle, and so that nothing of the sandbox is loaded into a function.
 */

/** What the sandbox says to an instance. */
export interface InvokeMessage {
  readonly requestId: string;
  readonly event: string;
  readonly deadline: number;
  readonly arn: string;
}

/** The other thing the sandbox says: the clock of the instance is off by so much from now on. */
export interface ClockMessage {
  readonly clockMs: number;
}

/** What an instance says to the sandbox. */
export type InstanceMessage =
  | { readonly type: 'ready' }
  | {
      readonly type: 'answer';
      readonly requestId: string;
      readonly payload: string;
      readonly failed: boolean;
      /** The process ends now and must not be given another invocation. */
      readonly last: boolean;
    };

/**
 * Ends an invocation's output on both pipes: messages and pipes are not ordered among each other, and what a
 * function printed belongs to its own invocation.
 */
export const endMark = (requestId: string) => `\u0000${requestId}`;

export const bootstrapSource = `'use strict';
const { existsSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const Module = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { format } = require('node:util');

// the sandbox is gone, killed perhaps: so is this instance.
process.on('disconnect', () => process.exit(0));

const root = process.env.LAMBDA_TASK_ROOT;
// a module that is not in the zip is not there on AWS either, whatever lies in the folders above the sandbox.
const lookup = Module._nodeModulePaths;
Module._nodeModulePaths = (from) => {
  const inside = (folder) => folder === root || folder.startsWith(root + path.sep);
  return inside(from) ? lookup(from).filter(inside) : lookup(from);
};

// CloudFormation's link for an answer is HTTPS on AWS, and the CDK's own handlers keep its host and path only: here they are the sandbox's.
const { hostname, port } = new URL(process.env.AWS_ENDPOINT_URL);
const secure = https.request;
https.request = (options, ...rest) =>
  options && options.hostname === hostname && !options.port && !options.agent
    ? http.request({ ...options, port }, ...rest)
    : secure(options, ...rest);

let current;
const out = process.stdout.write.bind(process.stdout);
const err = process.stderr.write.bind(process.stderr);
for (const [level, names] of Object.entries({ INFO: ['log', 'info'], DEBUG: ['debug'], WARN: ['warn'], ERROR: ['error'], TRACE: ['trace'] })) {
  for (const name of names) {
    console[name] = (...args) => out([new Date().toISOString(), current ? current.requestId : 'undefined', level, format(...args)].join('\\t') + '\\n');
  }
}

const described = (error, type) => JSON.stringify({
  errorType: type ?? (error instanceof Error ? error.name : 'Error'),
  errorMessage: error instanceof Error ? error.message : String(error),
  trace: error instanceof Error ? String(error.stack).split('\\n') : [],
});

function answer(request, payload, failed, exitCode) {
  if (current !== request) return; // answered already.
  current = undefined;
  process.channel.ref();
  out('\\u0000' + request.requestId + '\\n', () => err('\\u0000' + request.requestId + '\\n', () => {
    const last = exitCode !== undefined;
    process.send({ type: 'answer', requestId: request.requestId, payload, failed, last }, () => last && process.exit(exitCode));
  }));
}

function fatal(error, type, code) {
  console.error(type, error);
  if (!current) process.exit(code);
  answer(current, described(error, type), true, code);
}
process.on('unhandledRejection', (reason) => fatal(reason, 'Runtime.UnhandledPromiseRejection', 128));
process.on('uncaughtException', (error) => fatal(error, undefined, 129));

async function load() {
  const name = process.env._HANDLER;
  const base = path.basename(name);
  const dot = base.indexOf('.');
  const moduleName = path.join(path.dirname(name), base.slice(0, dot));
  const file = ['', '.js', '.mjs', '.cjs'].map((end) => path.join(root, moduleName + end)).find((each) => path.extname(each) && existsSync(each));
  if (!file) throw { type: 'Runtime.ImportModuleError', error: new Error("Error: Cannot find module '" + moduleName + "'") };
  let module;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    if (error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND')) {
      throw { type: 'Runtime.ImportModuleError', error: new Error('Error: ' + error.message) };
    }
    if (error instanceof SyntaxError) throw { type: 'Runtime.UserCodeSyntaxError', error: new Error('SyntaxError: ' + error.message) };
    throw { error };
  }
  const pick = (object) => base.slice(dot + 1).split('.').reduce((value, key) => (value == null ? undefined : value[key]), object);
  const handler = pick(module) ?? pick(module.default);
  if (typeof handler !== 'function') {
    throw { type: 'Runtime.HandlerNotFound', error: new Error(name + ' is undefined or not exported') };
  }
  return handler;
}

const loading = load().then((handler) => ({ handler }), (failure) => ({ failure }));

// a clock that somebody sets: what is measured with it, and nothing else, jumps.
let clockMs;
function moveClock(ms) {
  const moved = clockMs !== undefined;
  clockMs = ms;
  if (moved) return;
  const Real = Date;
  const now = () => Real.now() + clockMs;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args, made) => Reflect.construct(target, args.length > 0 ? args : [now()], made),
    apply: () => new Real(now()).toString(),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}

process.on('message', async (request) => {
  if (request.clockMs !== undefined) return moveClock(request.clockMs);
  current = request;
  const { handler, failure } = await loading;
  // a function that cannot be loaded is started anew for the next invocation, as on AWS.
  if (failure) return answer(request, described(failure.error, failure.type), true, 1);
  const env = process.env;
  const context = {
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: '$LATEST',
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: request.arn,
    awsRequestId: request.requestId,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => request.deadline - Date.now(),
  };
  const failed = (error) => answer(request, described(error), true);
  const done = (error, result) => {
    if (error !== undefined && error !== null) return failed(error);
    let payload;
    try {
      payload = JSON.stringify(result) ?? 'null';
    } catch (problem) {
      return answer(request, described(problem, 'Runtime.MarshalError'), true);
    }
    answer(request, payload, false);
  };
  Object.assign(context, { done, succeed: (result) => done(null, result), fail: (error) => failed(error ?? 'Error') });
  try {
    const result = handler(JSON.parse(request.event), context, done);
    if (result && typeof result.then === 'function') return void result.then((value) => done(null, value), failed);
    // what a handler returns that is not async is not its answer: that is the callback, or null once nothing is left to do.
    process.channel.unref();
    process.once('beforeExit', () => answer(request, 'null', false));
  } catch (error) {
    failed(error);
  }
});

loading.then(() => process.send({ type: 'ready' }));
`;
