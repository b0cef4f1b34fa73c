/** Listing: prefix, delimiter, where to start, how many. */
import type {
  CommonPrefix,
  ListObjectsOutput,
  ListObjectsRequest,
  ListObjectsV2Output,
  ListObjectsV2Request,
  ListObjectVersionsOutput,
  ListObjectVersionsRequest,
  _Object as S3Object,
} from '@aws-sdk/client-s3';
import { AwsError } from '../../service';
import type { StoredObject } from './store';

interface Page {
  readonly objects: StoredObject[];
  readonly prefixes: string[];
  /** The last entry of this page, if there are more. */
  readonly last: string | undefined;
}

interface Asked {
  Prefix?: string | undefined;
  Delimiter?: string | undefined;
  MaxKeys?: number | undefined;
}

/** Keys that share the part up to the delimiter are one entry, as S3 counts them. */
function pageOf(all: readonly StoredObject[], { Prefix = '', Delimiter, MaxKeys = 1000 }: Asked, after: string): Page {
  const objects: StoredObject[] = [];
  const prefixes: string[] = [];
  const limit = Math.min(MaxKeys, 1000);
  let last = '';
  for (const object of all) {
    if (!object.key.startsWith(Prefix)) continue;
    const cut = Delimiter ? object.key.indexOf(Delimiter, Prefix.length) : -1;
    const entry = cut < 0 ? object.key : object.key.slice(0, cut + Delimiter!.length);
    if (Buffer.compare(Buffer.from(entry), Buffer.from(after)) <= 0 || entry === prefixes.at(-1)) continue;
    if (objects.length + prefixes.length >= limit) return { objects, prefixes, last };
    if (cut < 0) objects.push(object);
    else prefixes.push(entry);
    last = entry;
  }
  return { objects, prefixes, last: undefined };
}

export function listObjectsV2(all: readonly StoredObject[], input: ListObjectsV2Request): ListObjectsV2Output {
  const page = pageOf(all, input, input.ContinuationToken ? fromToken(input.ContinuationToken) : (input.StartAfter ?? ''));
  return {
    ...common(page, input),
    KeyCount: page.objects.length + page.prefixes.length,
    ContinuationToken: input.ContinuationToken,
    NextContinuationToken: page.last === undefined ? undefined : Buffer.from(page.last).toString('base64url'),
    StartAfter: input.StartAfter,
  };
}

export function listObjects(all: readonly StoredObject[], input: ListObjectsRequest): ListObjectsOutput {
  const page = pageOf(all, input, input.Marker ?? '');
  const NextMarker = page.last !== undefined && input.Delimiter ? coder(input)(page.last) : undefined;
  return { ...common(page, input), Marker: input.Marker ?? '', NextMarker };
}

/** Only current objects: the sandbox keeps no older versions. */
export function listObjectVersions(all: readonly StoredObject[], input: ListObjectVersionsRequest): ListObjectVersionsOutput {
  const page = pageOf(all, input, input.KeyMarker ?? '');
  const { Contents, ...rest } = common(page, input);
  const Versions = Contents.map((object) => ({ ...object, VersionId: 'null', IsLatest: true })) as ListObjectVersionsOutput['Versions'];
  return { ...rest, Versions, NextKeyMarker: page.last };
}

function common(page: Page, input: ListObjectsV2Request | ListObjectsRequest | ListObjectVersionsRequest) {
  const encoded = coder(input);
  return {
    Name: input.Bucket,
    Prefix: encoded(input.Prefix ?? ''),
    Delimiter: input.Delimiter === undefined ? undefined : encoded(input.Delimiter),
    EncodingType: input.EncodingType,
    MaxKeys: input.MaxKeys ?? 1000,
    IsTruncated: page.last !== undefined,
    Contents: page.objects.map(
      ({ key, size, etag, modified }): S3Object => ({
        Key: encoded(key),
        Size: size,
        ETag: etag,
        LastModified: new Date(modified),
        StorageClass: 'STANDARD',
      }),
    ),
    CommonPrefixes: page.prefixes.map((prefix): CommonPrefix => ({ Prefix: encoded(prefix) })),
  };
}

function coder(input: { EncodingType?: string | undefined }): (text: string) => string {
  return input.EncodingType === 'url' ? (text) => encodeURIComponent(text).replaceAll('%2F', '/') : (text) => text;
}

function fromToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  if (Buffer.from(text).toString('base64url') !== token)
    throw new AwsError('InvalidArgument', 'The continuation token provided is incorrect');
  return text;
}
