/** Multipart uploads: what the AWS CLI and the CDK CLI do with files of more than a few megabytes. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  AbortMultipartUploadRequest,
  CompleteMultipartUploadOutput,
  CompleteMultipartUploadRequest,
  CreateMultipartUploadOutput,
  CreateMultipartUploadRequest,
  UploadPartOutput,
  UploadPartRequest,
} from '@aws-sdk/client-s3';
import { AwsError, type CallInfo, type Handler, type Sandbox } from '../../service';
import type { Table } from '../../state';
import { type BucketRow, bucketNamed } from './buckets';
import { checkPut, keptOf } from './objects';
import type { ObjectStore } from './store';

interface Upload {
  id: string;
  bucket: string;
  key: string;
  properties: Record<string, unknown>;
  /** ETag by part number. */
  parts: Record<string, string>;
}

export function multipartHandlers(sandbox: Sandbox, buckets: Table<BucketRow>, store: ObjectStore): Record<string, Handler> {
  const uploads = sandbox.table<Upload>('s3.uploads');
  const folderOf = (upload: Upload): string => join(sandbox.folder, 's3-uploads', upload.id);
  const uploadOf = (id: string | undefined): Upload => {
    const upload = uploads.get(id ?? '');
    if (!upload) throw new AwsError('NoSuchUpload', 'The specified upload does not exist. The upload ID may be invalid.', 404);
    return upload;
  };
  const drop = (upload: Upload): void => {
    uploads.delete(upload.id);
    rmSync(folderOf(upload), { recursive: true, force: true });
  };

  return {
    CreateMultipartUpload: (input: CreateMultipartUploadRequest): CreateMultipartUploadOutput => {
      const [bucket, key] = [input.Bucket ?? '', input.Key ?? ''];
      bucketNamed(buckets, bucket);
      const upload = { id: sandbox.id(32), bucket, key, properties: keptOf(input), parts: {} };
      uploads.set(upload.id, upload);
      mkdirSync(folderOf(upload), { recursive: true });
      return { Bucket: bucket, Key: key, UploadId: upload.id };
    },

    UploadPart: (input: UploadPartRequest & { Body?: Uint8Array }): UploadPartOutput => {
      const upload = uploadOf(input.UploadId);
      const body = Buffer.from(input.Body ?? '');
      const etag = `"${createHash('md5').update(body).digest('hex')}"`;
      writeFileSync(join(folderOf(upload), String(input.PartNumber)), body);
      upload.parts[String(input.PartNumber)] = etag;
      uploads.set(upload.id, upload);
      return { ETag: etag, ChecksumCRC32: input.ChecksumCRC32 };
    },

    CompleteMultipartUpload: (input: CompleteMultipartUploadRequest, call: CallInfo): CompleteMultipartUploadOutput => {
      const upload = uploadOf(input.UploadId);
      const asked = input.MultipartUpload?.Parts ?? [];
      if (asked.length === 0) throw new AwsError('MalformedXML', 'You must specify at least one part');
      for (const { PartNumber, ETag } of asked) {
        if (upload.parts[String(PartNumber)]?.replaceAll('"', '') !== ETag?.replaceAll('"', '')) {
          throw new AwsError('InvalidPart', `One or more of the specified parts could not be found: ${PartNumber}`);
        }
      }
      checkPut(store.get(upload.bucket, upload.key), upload.key, input);
      const parts = asked.map(({ PartNumber }) => readFileSync(join(folderOf(upload), String(PartNumber))));
      // S3's tag of such an object is no hash of its content.
      const hashes = Buffer.concat(parts.map((part) => createHash('md5').update(part).digest()));
      const etag = `"${createHash('md5').update(hashes).digest('hex')}-${parts.length}"`;
      store.put(upload.bucket, upload.key, Buffer.concat(parts), upload.properties, etag);
      drop(upload);
      return { Bucket: upload.bucket, Key: upload.key, ETag: etag, Location: `${call.endpoint}/${upload.bucket}/${upload.key}` };
    },

    AbortMultipartUpload: (input: AbortMultipartUploadRequest) => drop(uploadOf(input.UploadId)),
  };
}
