/** Buckets and the properties that CloudFormation sets on them: accepted, kept and answered; nothing is enforced. */
import type { Bucket, CreateBucketRequest, GetBucketLocationOutput, HeadBucketOutput, ListBucketsOutput } from '@aws-sdk/client-s3';
import { AwsError, type Handler, type Sandbox } from '../../service';
import type { Table } from '../../state';
import type { ObjectStore } from './store';

export interface BucketRow {
  name: string;
  created: Date;
  region: string;
  /** By property: the member of the Put operation's input, as it was put. */
  properties: Record<string, unknown>;
}

interface BucketProperty {
  /** `BucketPolicy` for PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy. */
  readonly operation: string;
  /** Where Delete is called otherwise than Put and Get. */
  readonly remove?: string;
  /** The member of Put's input that holds it. */
  readonly member: string;
  /** Get answers the members of the structure themselves instead of the structure. */
  readonly unwrapped?: boolean;
  /** What Get answers before the first Put: a value, or an error code. */
  readonly before: object | string;
}

const PROPERTIES: readonly BucketProperty[] = [
  { operation: 'BucketVersioning', member: 'VersioningConfiguration', unwrapped: true, before: {} },
  {
    operation: 'BucketEncryption',
    member: 'ServerSideEncryptionConfiguration',
    before: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false }] },
  },
  { operation: 'BucketPolicy', member: 'Policy', before: 'NoSuchBucketPolicy' },
  { operation: 'PublicAccessBlock', member: 'PublicAccessBlockConfiguration', before: 'NoSuchPublicAccessBlockConfiguration' },
  { operation: 'BucketTagging', member: 'Tagging', unwrapped: true, before: 'NoSuchTagSet' },
  {
    operation: 'BucketLifecycleConfiguration',
    remove: 'DeleteBucketLifecycle',
    member: 'LifecycleConfiguration',
    unwrapped: true,
    before: 'NoSuchLifecycleConfiguration',
  },
  { operation: 'BucketOwnershipControls', member: 'OwnershipControls', before: 'OwnershipControlsNotFoundError' },
  { operation: 'BucketLogging', member: 'BucketLoggingStatus', unwrapped: true, before: {} },
];

export function bucketHandlers(sandbox: Sandbox, buckets: Table<BucketRow>, store: ObjectStore): Record<string, Handler> {
  const handlers: Record<string, Handler> = {
    CreateBucket: (input: CreateBucketRequest) => {
      const name = input.Bucket ?? '';
      if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)) {
        throw new AwsError('InvalidBucketName', `The specified bucket is not valid: ${name}`);
      }
      if (buckets.has(name)) {
        throw new AwsError(
          'BucketAlreadyOwnedByYou',
          'Your previous request to create the named bucket succeeded and you already own it.',
          409,
        );
      }
      const region = input.CreateBucketConfiguration?.LocationConstraint ?? sandbox.region;
      buckets.set(name, { name, created: new Date(), region, properties: {} });
      return { Location: `/${name}` };
    },

    DeleteBucket: (input: { Bucket: string }) => {
      bucketNamed(buckets, input.Bucket);
      if (store.list(input.Bucket).length > 0) {
        throw new AwsError('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409);
      }
      buckets.delete(input.Bucket);
      store.drop(input.Bucket);
    },

    HeadBucket: (input: { Bucket: string }): HeadBucketOutput => {
      const row = buckets.get(input.Bucket);
      if (!row) throw new AwsError('NotFound', 'Not Found', 404);
      return { BucketRegion: row.region };
    },

    ListBuckets: (): ListBucketsOutput => ({
      Buckets: buckets.values().map(({ name, created }): Bucket => ({ Name: name, CreationDate: created })),
      Owner: { DisplayName: 'sandbox', ID: sandbox.account },
    }),

    GetBucketLocation: (input: { Bucket: string }): GetBucketLocationOutput => {
      const { region } = bucketNamed(buckets, input.Bucket);
      // the first region of all has no name here.
      return region === 'us-east-1' ? {} : { LocationConstraint: region as GetBucketLocationOutput['LocationConstraint'] };
    },
  };

  for (const { operation, remove, member, unwrapped, before } of PROPERTIES) {
    handlers[`Put${operation}`] = (input: Record<string, unknown>) => {
      const row = bucketNamed(buckets, input['Bucket'] as string);
      row.properties[member] = input[member];
      buckets.set(row.name, row);
    };
    handlers[`Get${operation}`] = (input: { Bucket: string }) => {
      const value = bucketNamed(buckets, input.Bucket).properties[member] ?? before;
      if (value === before && typeof before === 'string') {
        throw new AwsError(before, `The bucket ${input.Bucket} has no such configuration.`, 404);
      }
      return unwrapped ? value : { [member]: value };
    };
    handlers[remove ?? `Delete${operation}`] = (input: { Bucket: string }) => {
      const row = bucketNamed(buckets, input.Bucket);
      delete row.properties[member];
      buckets.set(row.name, row);
    };
  }
  return handlers;
}

export function bucketNamed(buckets: Table<BucketRow>, name: string): BucketRow {
  const row = buckets.get(name);
  if (!row) throw new AwsError('NoSuchBucket', `The specified bucket does not exist: ${name}`, 404);
  return row;
}
