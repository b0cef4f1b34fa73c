import { S3Client } from '@aws-sdk/client-s3';
import { S3JournalStore } from '../../lib/aws/journal-store';
import { clientConfig, sandboxForTest, type TestSandbox } from '../_helpers/sandbox';

let sandbox: TestSandbox;
const calls: string[] = [];
beforeAll(async () => {
  sandbox = await sandboxForTest({ onCall: ({ operation }) => calls.push(operation) });
  await sandbox.call('s3', 'CreateBucket', { Bucket: 'journal' });
});
afterAll(() => sandbox.stop());

const store = () => new S3JournalStore({ s3: new S3Client(clientConfig(sandbox.endpoint)) }, 'journal', 'video');
const callsOf = async <T>(action: Promise<T>): Promise<[T, number]> => {
  calls.length = 0;
  const result = await action;
  return [result, calls.length];
};

test('a warm runner reads of a journal only what is new, whoever wrote it', async () => {
  const [mine, other] = [store(), store()];
  for (const number of [1, 2]) await mine.create('w1', number, `event ${number}`);
  for (const number of [3, 4, 5]) await other.create('w1', number, `event ${number}`);
  expect(await mine.read('w1', 3)).toEqual(['event 3', 'event 4', 'event 5']);
  // the newest that is known, and the one that is not there.
  expect(await callsOf(mine.read('w1', 1))).toEqual([['event 1', 'event 2', 'event 3', 'event 4', 'event 5'], 2]);
  expect(await callsOf(mine.read('w1', 6))).toEqual([[], 1]);
  expect(await other.read('w1', 1)).toEqual(await mine.read('w1', 1));
});

test('a create that was refused is not remembered: what stands there is', async () => {
  const [mine, other] = [store(), store()];
  expect(await other.create('w2', 1, 'theirs')).toBe(true);
  expect(await mine.create('w2', 1, 'mine')).toBe(false);
  expect(await mine.read('w2', 1)).toEqual(['theirs']);
});

test('a journal that somebody put in the place of another is read anew', async () => {
  const mine = store();
  for (const number of [1, 2, 3]) await mine.create('w3', number, `event ${number}`);
  const key = (number: number) => `journal/video/w3/${String(number).padStart(6, '0')}.json`;
  await sandbox.call('s3', 'DeleteObject', { Bucket: 'journal', Key: key(3) });
  await sandbox.call('s3', 'PutObject', { Bucket: 'journal', Key: key(2), Body: 'another' });
  expect(await mine.read('w3', 1)).toEqual(['event 1', 'another']);
});

test('two looks at once find the same events, each once', async () => {
  const [mine, other] = [store(), store()];
  for (let number = 1; number <= 9; number += 1) await other.create('w4', number, `event ${number}`);
  const [one, two] = await Promise.all([mine.read('w4', 1), mine.read('w4', 4)]);
  expect(one).toHaveLength(9);
  expect(two).toEqual(one.slice(3));
});
