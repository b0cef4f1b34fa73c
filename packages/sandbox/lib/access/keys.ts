/**
 * The keys that a sandbox lets in: its owner's, made once and kept in its folder, and those that it lends to the roles that are
 * assumed and to the tasks and functions that it runs. Signatures are not verified, so the id of a key is what is secret.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Table } from '../state';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of lent ones only. */
  readonly sessionToken?: string;
}

/** Credentials that end. */
export interface Lent extends Required<Credentials> {
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

/** What the sandbox knows about the key of a request. */
export type Standing = 'known' | 'expired' | 'unknown';

/** The owner's credentials of the sandbox in this folder; made, readable by this user only, when they are not there yet. */
export function ownerOf(folder: string): Credentials {
  const file = join(folder, 'credentials.json');
  if (!existsSync(file)) {
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, JSON.stringify({ accessKeyId: keyId('AKIA'), secretAccessKey: secret(30) }), { mode: 0o600 });
    try {
      // unlike a rename, a link fails when somebody else was faster: then theirs are the ones.
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Credentials;
}

export class Keys {
  /** For the tasks and functions that the sandbox runs: it ends with them, when the sandbox does. */
  readonly inside: Credentials = { accessKeyId: keyId('ASIA'), secretAccessKey: secret(30), sessionToken: secret(48) };

  constructor(
    private readonly owner: Credentials,
    /** A sandbox that is started again still knows what it lent. */
    private readonly lent: Table<Lent>,
    private readonly now: () => number = Date.now,
  ) {}

  lend(seconds: number): Lent {
    for (const { accessKeyId, expires } of this.lent.values()) if (expires + remembered < this.now()) this.lent.delete(accessKeyId);
    const lent = {
      accessKeyId: keyId('ASIA'),
      secretAccessKey: secret(30),
      sessionToken: secret(48),
      expires: this.now() + seconds * 1000,
    };
    return this.lent.set(lent.accessKeyId, lent);
  }

  standingOf(accessKeyId: string): Standing {
    if (isSame(accessKeyId, this.owner.accessKeyId) || isSame(accessKeyId, this.inside.accessKeyId)) return 'known';
    const lent = this.lent.values().find((each) => isSame(accessKeyId, each.accessKeyId));
    if (!lent) return 'unknown';
    return lent.expires > this.now() ? 'known' : 'expired';
  }
}

/** So long is a key that has ended refused as an expired one, and not as one that nobody knows. */
const remembered = 3600 * 1000;

/** In constant time, whatever the lengths are. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** 80 random bits, in the letters that AWS uses. */
function keyId(prefix: 'AKIA' | 'ASIA'): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  return `${prefix}${Array.from({ length: 16 }, () => letters[randomInt(letters.length)]).join('')}`;
}

const secret = (bytes: number): string => randomBytes(bytes).toString('base64url');
