/**
 * Where database files lie: in the folder they were asked for, or, when the servers' account cannot enter that (as
 * root, below a folder closed to others), in a folder of their own elsewhere that remembers whose it is.
 */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { serverMayEnter } from './account';
import { endLeftOver } from './process';

const elsewhere = ['/var/tmp', '/tmp'];
const prefix = 'switchback-data-';

/** The folder to keep database files in for the owner `folder`: `folder` itself wherever that is possible. */
export function placeFor(folder: string): string {
  const wanted = resolve(folder);
  if (!existsSync(wanted)) {
    mkdirSync(wanted, { recursive: true });
    // passed through, not read: a strict umask must not close what we have just made for the servers.
    chmodSync(wanted, 0o711);
  }
  if (serverMayEnter(wanted)) return wanted;
  const name = nameFor(wanted);
  const base = elsewhere.find((candidate) => existsSync(candidate) && serverMayEnter(candidate));
  if (!base)
    throw new Error(`the servers' account cannot enter ${wanted}, nor ${elsewhere.join(' or ')}; choose a folder that others may enter`);
  const place = join(base, name);
  if (!existsSync(place)) {
    mkdirSync(place, { mode: 0o711 });
    chmodSync(place, 0o711);
    writeFileSync(join(place, 'owner'), wanted, { mode: 0o600 });
  }
  if (lstatSync(place).uid !== process.getuid?.() || !lstatSync(place).isDirectory())
    throw new Error(`${place} was not made by this user; remove it`);
  return place;
}

/** Removes what `placeFor` made outside of `folder`; call it before the folder itself is removed. */
export async function removePlaceFor(folder: string): Promise<void> {
  for (const base of elsewhere) await removePlace(join(base, nameFor(resolve(folder))));
}

/** Removes what was kept for folders that are gone, for example after a test was killed. Answers the folders. */
export async function removeOrphans(): Promise<string[]> {
  const removed: string[] = [];
  for (const base of elsewhere) {
    const names = existsSync(base) ? readdirSync(base).filter((name) => name.startsWith(prefix)) : [];
    for (const place of names.map((name) => join(base, name))) {
      const owner = ownerOf(place);
      if (owner !== undefined && !existsSync(owner)) {
        await removePlace(place);
        removed.push(owner);
      }
    }
  }
  return removed;
}

const nameFor = (folder: string): string => `${prefix}${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`;

function ownerOf(place: string): string | undefined {
  try {
    if (lstatSync(place).uid !== process.getuid?.()) return undefined;
    return readFileSync(join(place, 'owner'), 'utf8');
  } catch {
    return undefined;
  }
}

async function removePlace(place: string): Promise<void> {
  if (ownerOf(place) === undefined) return;
  for (const name of readdirSync(place)) await endLeftOver(join(place, name, 'data'));
  rmSync(place, { recursive: true, force: true });
}
