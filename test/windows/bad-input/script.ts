/** Runs what `npm run <verb>` runs, as a process of its own. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(__dirname, '..', '..', '..');

export interface Run {
  readonly code: number;
  readonly stdout: string;
  /** Both streams as one line: screens wrap sentences where they like. */
  readonly text: string;
}

const forget = [
  'AWS_PROFILE',
  'AWS_SESSION_TOKEN',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'FORCE_COLOR',
];

/** Only the given AWS settings count: neither this machine's nor a person's. */
export function clean(more: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of forget) delete env[name];
  Object.assign(env, {
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    NO_COLOR: '1',
  });
  for (const [name, value] of Object.entries(more)) {
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return env;
}

/** Commands of the other packages. */
const others: Readonly<Record<string, readonly string[]>> = {
  sandbox: ['packages/sandbox/bin/sandbox.ts'],
  rehearse: ['packages/rehearsal/bin/rehearse.ts'],
};

export function script(verb: string, args: readonly string[], more: Readonly<Record<string, string | undefined>>): Promise<Run> {
  const words = others[verb] ?? ['scripts/verb.ts', verb];
  return command([process.execPath, '--import', 'tsx', ...words, ...args], more);
}

export function command(words: readonly string[], more: Readonly<Record<string, string | undefined>>): Promise<Run> {
  const [file = '', ...args] = words;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, env: clean(more), stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part;
    });
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      stderr += part;
    });
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({ code: code ?? (signal ? 130 : 1), stdout, text: `${stdout} ${stderr}`.replace(/\s+/g, ' ') }),
    );
  });
}
