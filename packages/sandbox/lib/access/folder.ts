/** The folder of a sandbox, closed to the other users of the machine: secrets, journals and keys lie in it as plain files. */
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SandboxError } from '../lock';
import { serverAccount } from '../postgres/account';

/** What holds more than a reader of its names may know, where the folder itself can be passed through. */
const inner = ['state', 'lambda', 'logs', 's3', 's3-uploads'];

/** Makes the folder, or closes the one that is there. Throws SandboxError for one that is not this user's alone. */
export function closedFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(folder);
  // closing /tmp would end more than a sandbox.
  if (uid !== (process.getuid?.() ?? uid) || (mode & 0o1000) !== 0)
    throw new SandboxError(`${folder} belongs to others too, and a sandbox closes its folder to them; choose another --folder.`);
  const account = serverAccount();
  if (!account) {
    chmodSync(folder, 0o700);
    return;
  }
  // root's databases run under an account of their own, which must pass through to what is theirs.
  chownSync(folder, uid, account.gid);
  chmodSync(folder, 0o710);
  for (const name of inner) {
    mkdirSync(join(folder, name), { recursive: true });
    chmodSync(join(folder, name), 0o700);
  }
}
