/**
 * Which account the servers run under. PostgreSQL refuses to run as root, so as root we use an account without any
 * rights of its own; everybody else runs the servers as themselves.
 */
import { spawnSync } from 'node:child_process';
import { chownSync, lstatSync, readFileSync } from 'node:fs';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

let found: Account | undefined;

/** The account for server processes, or undefined when that is our own. */
export function serverAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  found ??= findAccount(readFileSync('/etc/passwd', 'utf8'));
  return found;
}

/** Picks `nobody`, or else the first account that cannot log in and is not root, from the text of /etc/passwd. */
export function findAccount(passwd: string): Account {
  const accounts = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 7 && !fields[0]?.startsWith('#'))
    // macOS writes nobody as -2, which the system calls want unsigned.
    .map(([name = '', , uid, gid, , , shell = '']) => ({ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0, shell }))
    .filter((account) => account.uid !== 0 && account.gid !== 0);
  const account = accounts.find(({ name }) => name === 'nobody') ?? accounts.find(({ shell }) => /nologin|false/.test(shell));
  if (!account)
    throw new Error('PostgreSQL does not run as root, and /etc/passwd has no unprivileged account such as nobody; start as another user');
  return { name: account.name, uid: account.uid, gid: account.gid };
}

/** What `spawn` needs to start a program of the server: its account, and a working folder and environment that suit any account. */
export function spawnOptions(): { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv } {
  const account = serverAccount();
  // no PG* variables of ours reach the server; the C locale keeps its messages in the language the log readers know.
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  return account ? { uid: account.uid, gid: account.gid, cwd: '/', env } : { cwd: '/', env };
}

/** Gives a file or folder of ours to the account of the servers; does nothing unless we are root. */
export function giveToServer(path: string): void {
  const account = serverAccount();
  if (account && lstatSync(path).uid !== account.uid) chownSync(path, account.uid, account.gid);
}

/** Whether the servers' account can pass through the folder and every folder above it. The kernel is asked, not the mode bits: it knows about access lists too. */
export function serverMayEnter(folder: string): boolean {
  if (!serverAccount()) return true;
  return spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { ...spawnOptions(), stdio: 'ignore' }).status === 0;
}
