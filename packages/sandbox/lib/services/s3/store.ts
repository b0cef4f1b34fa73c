/**
 * Objects as files: `<folder>/s3/<bucket>/<hash of the key>.json` says what the object is and which data file holds it.
 * The description is renamed into place last, so that a killed sandbox has either the old object or the new one.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StoredObject {
  readonly key: string;
  readonly data: string;
  readonly size: number;
  /** With its quotation marks, as S3 writes it. */
  readonly etag: string;
  readonly modified: string;
  /** ContentType, Metadata, checksums, …: members of PutObject's input that GetObject answers unchanged. */
  readonly properties: Readonly<Record<string, unknown>>;
}

export class ObjectStore {
  private readonly buckets = new Map<string, Map<string, StoredObject>>();

  constructor(private readonly folder: string) {}

  get(bucket: string, key: string): StoredObject | undefined {
    return this.index(bucket).get(key);
  }

  /** Sorted as S3 sorts: by the bytes of the key. */
  list(bucket: string): StoredObject[] {
    return [...this.index(bucket).values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  put(bucket: string, key: string, body: Uint8Array, properties: Record<string, unknown>, etag?: string): StoredObject {
    const folder = this.bucketFolder(bucket);
    mkdirSync(folder, { recursive: true });
    const before = this.get(bucket, key);
    const stored: StoredObject = {
      key,
      data: randomUUID(),
      size: body.length,
      etag: etag ?? `"${createHash('md5').update(body).digest('hex')}"`,
      modified: new Date().toISOString(),
      properties,
    };
    writeFileSync(join(folder, stored.data), body);
    const description = join(folder, `${createHash('sha256').update(key).digest('hex')}.json`);
    writeFileSync(`${description}.new`, JSON.stringify(stored));
    renameSync(`${description}.new`, description);
    if (before) rmSync(join(folder, before.data), { force: true });
    this.index(bucket).set(key, stored);
    return stored;
  }

  read(bucket: string, object: StoredObject): Buffer {
    return readFileSync(join(this.bucketFolder(bucket), object.data));
  }

  delete(bucket: string, key: string): void {
    const object = this.get(bucket, key);
    if (!object) return;
    const folder = this.bucketFolder(bucket);
    rmSync(join(folder, `${createHash('sha256').update(key).digest('hex')}.json`), { force: true });
    rmSync(join(folder, object.data), { force: true });
    this.index(bucket).delete(key);
  }

  drop(bucket: string): void {
    rmSync(this.bucketFolder(bucket), { recursive: true, force: true });
    this.buckets.delete(bucket);
  }

  private bucketFolder(bucket: string): string {
    return join(this.folder, bucket);
  }

  private index(bucket: string): Map<string, StoredObject> {
    let index = this.buckets.get(bucket);
    if (!index) {
      const folder = this.bucketFolder(bucket);
      const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
      const objects = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as StoredObject);
      index = new Map(objects.map((object) => [object.key, object]));
      this.buckets.set(bucket, index);
    }
    return index;
  }
}
