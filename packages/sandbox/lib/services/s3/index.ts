/** Simple Storage Service: buckets and objects as files in the sandbox's folder. */
import { join } from 'node:path';
import type { Sandbox, Service } from '../../service';
import { type BucketRow, bucketHandlers } from './buckets';
import { multipartHandlers } from './multipart';
import { objectHandlers } from './objects';
import { ObjectStore } from './store';

export const s3 = (sandbox: Sandbox): Service => {
  const buckets = sandbox.table<BucketRow>('s3.buckets');
  const store = new ObjectStore(join(sandbox.folder, 's3'));
  return {
    client: 'client-s3',
    handlers: {
      ...bucketHandlers(sandbox, buckets, store),
      ...objectHandlers(buckets, store),
      ...multipartHandlers(sandbox, buckets, store),
    },
  };
};
