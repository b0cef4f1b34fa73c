/** `npm run sandbox` as a person runs it: real processes, what they print, and how they end. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { ownerOf } from '../lib/access/keys';
import { sandboxCommand } from '../lib/command';
import { environmentFor } from '../lib/environment';
import { bornOf } from '../lib/lock';
import { clientConfig } from './_helpers/sandbox';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchback-command-'));
});
afterEach(async () => {
  await run('stop');
  rmSync(folder, { recursive: true, force: true });
});

/** The command in a process of its own. */
const start = (args: string[]) => {
  const child = spawn(process.execPath, ['--import', 'tsx', 'packages/sandbox/bin/sandbox.ts', ...args, '--folder', folder]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
  const says = (text: string) =>
    new Promise<void>((done) => {
      const look = () => stdout.includes(text) && done();
      child.stdout.on('data', look);
      look();
    });
  return { child, ended, says };
};

/** The same in this process: one more costs half a second. */
async function run(...args: string[]) {
  let [stdout, stderr] = ['', ''];
  const spies = [
    jest.spyOn(console, 'log').mockImplementation((line: string) => {
      stdout += `${line}\n`;
    }),
    jest.spyOn(console, 'error').mockImplementation((line: string) => {
      stderr += `${line}\n`;
    }),
    jest.spyOn(process.stderr, 'write').mockImplementation((text) => {
      stderr += String(text);
      return true;
    }),
  ];
  const code = await sandboxCommand([...args, '--folder', folder], 'npm run sandbox --');
  for (const spy of spies) spy.mockRestore();
  return { code, stdout, stderr };
}
const ownerAt = (endpoint: string) => ({ env: environmentFor(endpoint, ownerOf(folder)) });
const endpointIn = (text: string) => /http:\/\/localhost:\d+/.exec(text)![0];

test('detached, it answers when the command returns, says where it is, and stops when told to', async () => {
  const started = await run('--detach', '--port', '0', '--speed', '100');
  expect(started).toMatchObject({ code: 0, stderr: '' });
  const endpoint = endpointIn(started.stdout);
  const ssm = new SSMClient(clientConfig(ownerAt(endpoint)));
  await ssm.send(new PutParameterCommand({ Name: '/kept', Value: 'x', Type: 'String' }));

  const status = await run('status');
  expect(status.stdout).toMatch(new RegExp(`^sandbox at ${endpoint}, process \\d+, 100 AWS seconds per second, state in ${folder}\\n$`));
  const environment = await run('env');
  expect(environment.stdout.split('\n')).toEqual(
    expect.arrayContaining([
      `export AWS_ENDPOINT_URL=${endpoint}`,
      'export AWS_REGION=eu-central-1',
      'export CDK_DISABLE_VERSION_CHECK=1',
      'export AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED=true',
    ]),
  );
  const second = await run('--port', '0');
  expect(second).toMatchObject({ code: 2, stderr: expect.stringMatching(/^sandbox: a sandbox already runs on .*\n$/) });
  const alsoDetached = await run('--detach', '--port', '0');
  expect(alsoDetached).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^sandbox: a sandbox already runs on .*\n$/) });

  const pid = Number(/process (\d+)/.exec(status.stdout)![1]);
  expect(await run('stop')).toMatchObject({ code: 0, stdout: `sandbox at ${endpoint} stopped, state kept in ${folder}\n` });
  expect(bornOf(pid)).toBeUndefined();
  await expect(fetch(endpoint)).rejects.toThrow();
});

test('with nothing running, stop, status and env say so in one sentence', async () => {
  for (const verb of ['stop', 'status', 'env']) {
    const answer = await run(verb);
    expect(answer).toEqual({
      code: 1,
      stdout: '',
      stderr: `sandbox: no sandbox runs on ${folder}; npm run sandbox -- --detach starts one.\n`,
    });
  }
});

test('what was acknowledged is there after kill -9, and the folder is free again', async () => {
  const first = await start(['--detach', '--port', '0']).ended;
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const ssm = new SSMClient(clientConfig(ownerAt(endpointIn(first.stdout))));
  await ssm.send(new PutParameterCommand({ Name: '/kept', Value: 'x', Type: 'String' }));
  const { pid } = JSON.parse(readFileSync(join(folder, 'sandbox.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  while (bornOf(pid)) await new Promise(setImmediate);
  expect((await run('status')).code).toBe(1);
  const again = await run('--detach', '--port', '0');
  const { Parameter } = await new SSMClient(clientConfig(ownerAt(endpointIn(again.stdout)))).send(
    new GetParameterCommand({ Name: '/kept' }),
  );
  expect(Parameter?.Value).toBe('x');
});

test('in the foreground, Ctrl-C ends it cleanly', async () => {
  const { child, ended, says } = start(['--port', '0']);
  await says('for every terminal');
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
  expect((await run('status')).code).toBe(1);
});

test('a port in use is one sentence, in the foreground and detached', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.once('listening', done));
  const { port } = taken.address() as { port: number };
  const sentence = `sandbox: port ${port} is in use by another process; choose another with --port, or 0 for a free one.\n`;
  expect(await run('--port', String(port))).toEqual({ code: 2, stdout: '', stderr: sentence });
  expect(await run('--port', String(port), '--detach')).toEqual({ code: 2, stdout: '', stderr: sentence });
  taken.close();
});

test.each([
  [['--port', 'many'], 'a port is a number from 0 to 65535'],
  [['--speed', '0'], 'the factor is a number greater than 0'],
  [['restart'], 'too many arguments'],
  [['--colour'], 'unknown option'],
])('wrong use %j is refused with exit code 2', async (args, reason) => {
  expect(await run(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(reason) });
});
