import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { S3JournalStore } from '../../lib/aws/journal-store';
import { Journal } from '../../lib/engine/journal';
import { clientConfig, sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { operator, TestClock } from '../_helpers/runbook';

let sandbox: TestSandbox;
const calls: string[] = [];
beforeAll(async () => {
  sandbox = await sandboxForTest({ onCall: ({ operation }) => calls.push(operation) });
  await sandbox.call('s3', 'CreateBucket', { Bucket: 'journal' });
});
afterAll(() => sandbox.stop());

const store = () => new S3JournalStore({ s3: new S3Client(clientConfig(sandbox)) }, 'journal', 'video', new TestClock(), () => undefined);
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

const error = (name: string, more: object): Error => Object.assign(new Error(`${name}: said S3`), { name }, more);
const slowDown = () => error('SlowDown', { $metadata: { httpStatusCode: 503 } });
const reset = () => error('Error', { code: 'ECONNRESET' });
const denied = () => error('AccessDenied', { $metadata: { httpStatusCode: 403 } });

/** A bucket with one window of two events, whose next answers may be errors. */
function bucket(...errors: Error[]) {
  const clock = new TestClock();
  const said: string[] = [];
  let asked = 0;
  const send = async (command: { input: { Key?: string } }) => {
    asked += 1;
    const trouble = errors.shift();
    if (trouble) throw trouble;
    if (command.constructor.name === 'PutObjectCommand') return {};
    if (command.constructor.name === 'ListObjectsV2Command') return { CommonPrefixes: [{ Prefix: 'journal/video/w1/' }] };
    const number = Number(/(\d+)\.json$/.exec(command.input.Key ?? '')?.[1]);
    if (number > 2) throw error('NoSuchKey', { $metadata: { httpStatusCode: 404 } });
    return { Body: { transformToString: async () => JSON.stringify({ type: 'run.alive', number }) } };
  };
  const store = new S3JournalStore({ s3: { send } as never }, 'bucket', 'video', clock, (text) => void said.push(text));
  return { store, errors, clock, said, asked: () => asked, journal: new Journal(store, 'w1', clock, () => 'nonce') };
}

test('what a verb begins with is read again after a passing error; in silence, if it is soon over', async () => {
  const { store, said, journal } = bucket(slowDown(), reset());
  expect(await store.windows()).toEqual(['w1']);
  await journal.refresh();
  expect(journal.events).toHaveLength(2);
  expect(said).toEqual([]);
});

test('when it goes on for more than a second it is said, once, and the last word names the error', async () => {
  const { store, clock, said, asked } = bucket(...Array.from({ length: 6 }, slowDown));
  const from = clock.time;
  await expect(store.read('w1', 1)).rejects.toMatchObject({
    code: 'journal.unreadable',
    message: 'the journal of w1 in bucket could not be read in 6 tries: SlowDown: said S3',
  });
  expect(said).toEqual(['the journal of w1 could not be read (SlowDown: said S3); trying again']);
  expect([asked(), clock.time - from]).toEqual([6, 7750]);
});

test('an error that will not pass is not waited for', async () => {
  const { store, asked, said } = bucket(denied());
  await expect(store.read('w1', 1)).rejects.toMatchObject({ name: 'AccessDenied' });
  await expect(bucket(new TypeError('a bug')).store.windows()).rejects.toThrow('a bug');
  expect([asked(), said]).toEqual([1, []]);
});

test('a look for news is not held up: it is made again soon, and a write finds out what it has missed', async () => {
  const { journal, store, errors, clock } = bucket();
  await journal.refresh();
  const from = clock.time;
  errors.push(reset(), reset(), reset());
  await expect(store.read('w1', 3)).rejects.toMatchObject({ code: 'ECONNRESET' });
  await journal.glance();
  expect(await journal.note('run-2', operator, { type: 'stop.asked', of: 'run-1', why: 'lunch' })).toMatchObject({ number: 3 });
  expect([errors, clock.time - from]).toEqual([[], 0]);
});

test('a text beside the events is kept over what was there, is no event, and no window', async () => {
  const kept = store();
  await kept.create('w9', 1, '{"number":1}');
  await kept.keep('w9', 'differences.sql', 'BEGIN;');
  expect(await kept.keep('w9', 'differences.sql', 'COMMIT;')).toBe('s3://journal/journal/video/w9/differences.sql');
  expect(await store().read('w9', 1)).toEqual(['{"number":1}']);
  expect((await store().windows()).filter((name) => name === 'w9')).toEqual(['w9']);
  const s3 = new S3Client(clientConfig(sandbox));
  const found = await s3.send(new GetObjectCommand({ Bucket: 'journal', Key: 'journal/video/w9/differences.sql' }));
  expect(await found.Body?.transformToString()).toBe('COMMIT;');
});
