/** Objects: put, get, copy, delete, conditionally where asked. */
import type {
  CopyObjectOutput,
  CopyObjectRequest,
  DeleteObjectRequest,
  DeleteObjectsOutput,
  DeleteObjectsRequest,
  GetObjectRequest,
  HeadObjectRequest,
  ListObjectsRequest,
  ListObjectsV2Request,
  ListObjectVersionsRequest,
  PutObjectOutput,
  PutObjectRequest,
} from '@aws-sdk/client-s3';
import { AwsError, type Handler } from '../../service';
import type { Table } from '../../state';
import { type BucketRow, bucketNamed } from './buckets';
import { listObjects, listObjectsV2, listObjectVersions } from './list';
import type { ObjectStore, StoredObject } from './store';

/** Members of PutObject that GetObject and HeadObject answer unchanged. */
const KEPT = ['CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'ContentType', 'Metadata', 'StorageClass'];
const CHECKSUMS = ['ChecksumCRC32', 'ChecksumCRC32C', 'ChecksumCRC64NVME', 'ChecksumSHA1', 'ChecksumSHA256'];

export function objectHandlers(buckets: Table<BucketRow>, store: ObjectStore): Record<string, Handler> {
  const find = (bucket: string, key: string): StoredObject => {
    bucketNamed(buckets, bucket);
    const object = store.get(bucket, key);
    if (!object) throw new AwsError('NoSuchKey', `The specified key does not exist: ${key}`, 404);
    return object;
  };
  const keys = (bucket: string): StoredObject[] => {
    bucketNamed(buckets, bucket);
    return store.list(bucket);
  };

  return {
    PutObject: (input: PutObjectRequest & { Body?: string | Uint8Array }): PutObjectOutput => {
      const [bucket, key] = [input.Bucket ?? '', input.Key ?? ''];
      bucketNamed(buckets, bucket);
      checkPut(store.get(bucket, key), key, input);
      const { etag, properties } = store.put(bucket, key, Buffer.from((input.Body as string) ?? ''), keptOf(input));
      return { ETag: etag, ServerSideEncryption: 'AES256', ...only(properties, CHECKSUMS) };
    },

    GetObject: (input: GetObjectRequest) => {
      const object = find(input.Bucket ?? '', input.Key ?? '');
      checkGet(object, input);
      const body = store.read(input.Bucket ?? '', object);
      if (!input.Range) return { ...described(object, input), Body: body };
      const [from, to] = rangeOf(input.Range, body.length);
      const part = body.subarray(from, to + 1);
      // a checksum is of the whole object, and a client would compare it with the part.
      const answer = described(object, { ...input, ChecksumMode: undefined });
      return { ...answer, Body: part, ContentLength: part.length, ContentRange: `bytes ${from}-${to}/${body.length}` };
    },

    HeadObject: (input: HeadObjectRequest) => {
      const object = store.get(input.Bucket ?? '', input.Key ?? '');
      // the answer to HEAD has no body that could hold a code.
      if (!object) throw new AwsError('NotFound', 'Not Found', 404);
      checkGet(object, input);
      return described(object, input);
    },

    CopyObject: (input: CopyObjectRequest): CopyObjectOutput => {
      const [, bucket = '', key = ''] = /^\/?([^/]+)\/(.+?)(?:\?.*)?$/.exec(decodeURIComponent(input.CopySource ?? '')) ?? [];
      const source = find(bucket, key);
      bucketNamed(buckets, input.Bucket ?? '');
      const replaced = input.MetadataDirective === 'REPLACE' ? keptOf(input) : source.properties;
      const copy = store.put(input.Bucket ?? '', input.Key ?? '', store.read(bucket, source), { ...replaced });
      return { CopyObjectResult: { ETag: copy.etag, LastModified: new Date(copy.modified) } };
    },

    DeleteObject: (input: DeleteObjectRequest) => {
      bucketNamed(buckets, input.Bucket ?? '');
      store.delete(input.Bucket ?? '', input.Key ?? '');
    },

    DeleteObjects: (input: DeleteObjectsRequest): DeleteObjectsOutput => {
      bucketNamed(buckets, input.Bucket ?? '');
      const asked = input.Delete?.Objects ?? [];
      if (asked.length > 1000) throw new AwsError('MalformedXML', 'At most 1000 keys can be deleted in one request');
      for (const { Key } of asked) store.delete(input.Bucket ?? '', Key ?? '');
      return input.Delete?.Quiet ? {} : { Deleted: asked.map(({ Key }) => ({ Key })) };
    },

    ListObjects: (input: ListObjectsRequest) => listObjects(keys(input.Bucket ?? ''), input),
    ListObjectsV2: (input: ListObjectsV2Request) => listObjectsV2(keys(input.Bucket ?? ''), input),
    ListObjectVersions: (input: ListObjectVersionsRequest) => listObjectVersions(keys(input.Bucket ?? ''), input),
  };
}

interface Conditions {
  IfMatch?: string | undefined;
  IfNoneMatch?: string | undefined;
}

export function checkPut(current: StoredObject | undefined, key: string, { IfMatch, IfNoneMatch }: Conditions): void {
  const failed = new AwsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412);
  if (IfNoneMatch === '*' && current) throw failed;
  if (!IfMatch) return;
  if (!current) throw new AwsError('NoSuchKey', `The specified key does not exist: ${key}`, 404);
  if (unquoted(IfMatch) !== unquoted(current.etag)) throw failed;
}

function checkGet(object: StoredObject, { IfMatch, IfNoneMatch }: Conditions): void {
  if (IfMatch && IfMatch !== '*' && unquoted(IfMatch) !== unquoted(object.etag)) {
    throw new AwsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412);
  }
  if (IfNoneMatch && (IfNoneMatch === '*' || unquoted(IfNoneMatch) === unquoted(object.etag)))
    throw new AwsError('NotModified', 'Not Modified', 304);
}

function unquoted(etag: string): string {
  return etag.replaceAll('"', '');
}

export function keptOf(input: object): Record<string, unknown> {
  return only(input as Record<string, unknown>, [...KEPT, ...CHECKSUMS]);
}

function only(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}

function described(object: StoredObject, input: { ChecksumMode?: string | undefined }) {
  return {
    ...only(object.properties, input.ChecksumMode === 'ENABLED' ? [...KEPT, ...CHECKSUMS] : KEPT),
    ContentType: (object.properties['ContentType'] as string | undefined) ?? 'binary/octet-stream',
    ContentLength: object.size,
    ETag: object.etag,
    LastModified: new Date(object.modified),
    AcceptRanges: 'bytes',
    ServerSideEncryption: 'AES256',
  };
}

/** First and last byte of `bytes=a-b`, `bytes=a-` or `bytes=-n`. */
function rangeOf(range: string, size: number): [number, number] {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  const from = first ? Number(first) : Math.max(0, size - Number(last));
  const to = first && last ? Math.min(Number(last), size - 1) : size - 1;
  if ((!first && !last) || from > to || from >= size)
    throw new AwsError('InvalidRange', `The requested range is not satisfiable: ${range}`, 416);
  return [from, to];
}
