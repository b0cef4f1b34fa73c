/** One sandbox per folder: a file that says which process serves it, and where. It also tells `stop` and `status` whom to ask. */
import { spawnSync } from 'node:child_process';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Something the user can put right: a port in use, a folder in use. The message is a whole sentence for a person. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError';

  constructor(
    message: string,
    /** What to type after the command, which knows how it was started. */
    readonly type?: string,
  ) {
    super(message);
  }
}

export interface Running {
  readonly pid: number;
  /** When the process started, so that a recycled process id is not mistaken for the sandbox. */
  readonly born: string;
  readonly endpoint: string;
  readonly speed: number;
}

const fileOf = (folder: string): string => join(folder, 'sandbox.json');

/** The sandbox that serves this folder now, if one does. What a killed sandbox left behind does not count. */
export function runningSandbox(folder: string): Running | undefined {
  let found: Running;
  try {
    found = JSON.parse(readFileSync(fileOf(folder), 'utf8')) as Running;
  } catch {
    return undefined;
  }
  return bornOf(found.pid) === found.born ? found : undefined;
}

/** Throws SandboxError when another sandbox has the folder. */
export function takeFolder(folder: string, endpoint: string, speed: number): void {
  const other = runningSandbox(folder);
  if (other) throw inUse(folder, other);
  leaveFolder(folder);
  const running: Running = { pid: process.pid, born: bornOf(process.pid) ?? '', endpoint, speed };
  const draft = `${fileOf(folder)}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(running));
  try {
    // unlike a rename, a link fails when somebody else was faster.
    linkSync(draft, fileOf(folder));
  } catch {
    throw inUse(folder, runningSandbox(folder) ?? running);
  } finally {
    rmSync(draft);
  }
}

function inUse(folder: string, { pid, endpoint }: Running): SandboxError {
  return new SandboxError(
    `a sandbox already runs on ${folder}: process ${pid} at ${endpoint}; choose another --folder, or stop it:`,
    `stop --folder ${folder}`,
  );
}

export function leaveFolder(folder: string): void {
  rmSync(fileOf(folder), { force: true });
}

/** The start time of a process in the words of the operating system; undefined when there is no such process. */
export function bornOf(pid: number): string | undefined {
  try {
    // after the last parenthesis, which closes the command's name, `state` is the third field of all and the start time the 22nd.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    if (process.platform === 'linux') return undefined;
    const asked = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return asked.stdout.trim() || undefined;
  }
}
