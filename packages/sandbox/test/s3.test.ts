import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLocationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let s3: S3Client;
const Bucket = 'journal';
beforeAll(async () => {
  sandbox = await sandboxForTest();
  s3 = new S3Client(clientConfig(sandbox));
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(() => sandbox.stop());

const put = (Key: string, Body: string, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body!.transformToString();
const code = (name: string, status: number) => ({ name, $metadata: { httpStatusCode: status } });

test('an object comes back as it was put, with its type, metadata and checksum', async () => {
  const { ETag } = await put('w1/run 1+ü.json', '{"n":1}', { ContentType: 'application/json', Metadata: { nonce: 'abc' } });
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key: 'w1/run 1+ü.json' }));
  expect(await answer.Body!.transformToString()).toBe('{"n":1}');
  expect(answer).toMatchObject({ ETag, ContentType: 'application/json', ContentLength: 7, Metadata: { nonce: 'abc' } });
  expect(answer.ChecksumCRC32).toBeDefined();
  expect(answer.ContentEncoding).toBeUndefined();
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'w1/run 1+ü.json' }));
  expect(head).toMatchObject({ ETag, ContentLength: 7 });
});

test('a stream of unknown hash arrives whole, though the SDK sends it in signed chunks with a trailing checksum', async () => {
  const part = 'x'.repeat(70_000);
  await s3.send(
    new PutObjectCommand({ Bucket, Key: 'stream', Body: Readable.from([Buffer.from(part), Buffer.from(part)]), ContentLength: 140_000 }),
  );
  expect(await get('stream')).toBe(part + part);
});

test('a put that must be the first is refused when it is not, with 412', async () => {
  await put('event-17', 'mine', { IfNoneMatch: '*' });
  await expect(put('event-17', 'yours', { IfNoneMatch: '*' })).rejects.toMatchObject(code('PreconditionFailed', 412));
  expect(await get('event-17')).toBe('mine');
});

test('of ten writers of one event, one wins', async () => {
  const tries = await Promise.allSettled([...Array(10).keys()].map((n) => put('event-18', String(n), { IfNoneMatch: '*' })));
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a put that must replace a known version is refused when that is gone', async () => {
  const { ETag } = await put('pointer', 'a');
  await put('pointer', 'b', { IfMatch: ETag });
  await expect(put('pointer', 'c', { IfMatch: ETag })).rejects.toMatchObject(code('PreconditionFailed', 412));
  await expect(put('nowhere', 'c', { IfMatch: ETag })).rejects.toMatchObject(code('NoSuchKey', 404));
});

test('a part of an object is answered as a part', async () => {
  await put('range', '0123456789');
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key: 'range', Range: 'bytes=2-4' }));
  expect(await answer.Body!.transformToString()).toBe('234');
  expect(answer).toMatchObject({ ContentRange: 'bytes 2-4/10', ContentLength: 3, $metadata: { httpStatusCode: 206 } });
  const tail = await s3.send(new GetObjectCommand({ Bucket, Key: 'range', Range: 'bytes=-3' }));
  expect(await tail.Body!.transformToString()).toBe('789');
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'range', Range: 'bytes=10-' }))).rejects.toMatchObject(
    code('InvalidRange', 416),
  );
});

test('what is not there is NoSuchKey to a reader and NotFound to a HEAD', async () => {
  await expect(get('nothing')).rejects.toMatchObject(code('NoSuchKey', 404));
  await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'nothing' }))).rejects.toMatchObject(code('NotFound', 404));
  await expect(s3.send(new HeadBucketCommand({ Bucket: 'no-such-bucket' }))).rejects.toMatchObject(code('NotFound', 404));
  await expect(s3.send(new GetObjectCommand({ Bucket: 'no-such-bucket', Key: 'x' }))).rejects.toMatchObject(code('NoSuchBucket', 404));
});

test('a listing has pages, starts where asked, and folds what a delimiter parts', async () => {
  for (const key of ['l/a/1', 'l/a/2', 'l/b', 'l/c', 'l/d/1']) await put(key, key);
  const list = (more: object) => s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', ...more }));
  const folded = await list({ Delimiter: '/' });
  expect(folded.Contents?.map(({ Key }) => Key)).toEqual(['l/b', 'l/c']);
  expect(folded.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['l/a/', 'l/d/']);
  expect((await list({ StartAfter: 'l/b' })).Contents?.map(({ Key }) => Key)).toEqual(['l/c', 'l/d/1']);
  const seen: (string | undefined)[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await list({ MaxKeys: 2, ContinuationToken });
    seen.push(...(page.Contents ?? []).map(({ Key }) => Key));
    expect(page.IsTruncated).toBe(page.NextContinuationToken !== undefined);
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  expect(seen).toEqual(['l/a/1', 'l/a/2', 'l/b', 'l/c', 'l/d/1']);
  expect((await list({ Prefix: 'none/' })).KeyCount).toBe(0);
});

test('objects are deleted one by one and together, and a bucket only when it is empty', async () => {
  const other = 'emptied';
  await s3.send(new CreateBucketCommand({ Bucket: other }));
  await expect(s3.send(new CreateBucketCommand({ Bucket: other }))).rejects.toMatchObject(code('BucketAlreadyOwnedByYou', 409));
  for (const Key of ['a', 'b', 'c']) await s3.send(new PutObjectCommand({ Bucket: other, Key, Body: Key }));
  await expect(s3.send(new DeleteBucketCommand({ Bucket: other }))).rejects.toMatchObject(code('BucketNotEmpty', 409));
  await s3.send(new DeleteObjectCommand({ Bucket: other, Key: 'a' }));
  const deleted = await s3.send(new DeleteObjectsCommand({ Bucket: other, Delete: { Objects: [{ Key: 'b' }, { Key: 'c' }] } }));
  expect(deleted.Deleted?.map(({ Key }) => Key)).toEqual(['b', 'c']);
  await s3.send(new DeleteBucketCommand({ Bucket: other }));
  expect((await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)).not.toContain(other);
  expect(readdirSync(join(sandbox.folder, 's3'))).not.toContain(other);
});

test('a copy has the content and metadata of its source', async () => {
  await put('source', 'text', { ContentType: 'text/plain' });
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/source` }));
  const copy = await s3.send(new GetObjectCommand({ Bucket, Key: 'copy' }));
  expect(copy.ContentType).toBe('text/plain');
  expect(await copy.Body!.transformToString()).toBe('text');
});

test('an upload in parts becomes one object, and leaves no parts behind', async () => {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'big' }));
  const parts = [];
  for (const [index, Body] of ['first', 'second'].entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key: 'big', UploadId, PartNumber: index + 1, Body }));
    parts.push({ ETag, PartNumber: index + 1 });
  }
  const complete = { Bucket, Key: 'big', UploadId, MultipartUpload: { Parts: parts } };
  expect((await s3.send(new CompleteMultipartUploadCommand(complete))).ETag).toMatch(/-2"$/);
  expect(await get('big')).toBe('firstsecond');
  expect(readdirSync(join(sandbox.folder, 's3-uploads'))).toEqual([]);
  await expect(s3.send(new CompleteMultipartUploadCommand(complete))).rejects.toMatchObject(code('NoSuchUpload', 404));
});

test('a bucket keeps the properties that CloudFormation sets', async () => {
  expect(await s3.send(new GetBucketLocationCommand({ Bucket }))).toMatchObject({ LocationConstraint: 'eu-central-1' });
  expect(await s3.send(new GetBucketEncryptionCommand({ Bucket }))).toMatchObject({
    ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] },
  });
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  expect(await s3.send(new GetBucketVersioningCommand({ Bucket }))).toMatchObject({ Status: 'Enabled' });
  await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }));
  expect(await s3.send(new GetBucketTaggingCommand({ Bucket }))).toMatchObject({ TagSet: [{ Key: 'a', Value: 'b' }] });
  await expect(s3.send(new GetPublicAccessBlockCommand({ Bucket }))).rejects.toMatchObject(
    code('NoSuchPublicAccessBlockConfiguration', 404),
  );
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: '{"Version":"2012-10-17"}' }));
  expect(await s3.send(new GetBucketPolicyCommand({ Bucket }))).toMatchObject({ Policy: '{"Version":"2012-10-17"}' });
});

test('a link into a bucket works without a header, as the answer of a custom resource comes', async () => {
  const send = (method: string, path: string, headers: Record<string, string>, body = '') =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const url = new URL(sandbox.endpoint);
      const sent = request({ host: '127.0.0.1', port: url.port, path, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const signed = `?X-Amz-Credential=${sandbox.env['AWS_ACCESS_KEY_ID']}/20260101/eu-central-1/s3/aws4_request&X-Amz-Signature=abc`;
  expect(await send('PUT', `/${Bucket}/answers/1${signed}`, { 'content-type': '' }, '{"Status":"SUCCESS"}')).toMatchObject({
    status: 200,
  });
  expect(await get('answers/1')).toBe('{"Status":"SUCCESS"}');
  const host = { host: `${Bucket}.localhost:${new URL(sandbox.endpoint).port}` };
  expect(await send('GET', `/answers/1${signed}`, host)).toEqual({ status: 200, text: '{"Status":"SUCCESS"}' });
});

test('objects survive a restart of the sandbox', async () => {
  await put('kept', 'still here');
  await sandbox.restart();
  expect(await get('kept')).toBe('still here');
});
