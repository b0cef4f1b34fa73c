import { GetParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import { Aws } from '../../lib/aws';
import { makeClients } from '../../lib/aws/clients';
import { Stop } from '../../lib/base/errors';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';

let sandbox: TestSandbox;
const before = { ...process.env };
beforeAll(async () => {
  sandbox = await sandboxForTest();
  Object.assign(process.env, sandbox.env);
});
afterAll(async () => {
  process.env = before;
  await sandbox?.stop();
});

const put = (value: string) => new PutParameterCommand({ Name: '/a', Value: value, Type: 'String', Overwrite: true });

test('a writer that has lost the window sends no change any more; looking stays possible', async () => {
  let lost = false;
  const { ssm } = makeClients(() => async () => {
    if (lost) throw new Stop('journal.other-writer', 'somebody else is the writer now');
  });
  await ssm.send(put('mine'));
  lost = true;
  await expect(ssm.send(put('late'))).rejects.toMatchObject({ code: 'journal.other-writer' });
  expect((await ssm.send(new GetParameterCommand({ Name: '/a' }))).Parameter?.Value).toBe('mine');
});

test('it is a lost window, not a lost answer: the call was never sent', async () => {
  const aws = new Aws();
  aws.beforeChange = async () => {
    throw new Stop('journal.other-writer', 'somebody else is the writer now');
  };
  await expect(aws.settings.writeState('video', { production: 'db', opened: true })).rejects.toBeInstanceOf(Stop);
  aws.beforeChange = undefined;
  expect(await aws.settings.state('video')).toBeUndefined();
});

test('the journal is not asked: it is where the answer comes from', async () => {
  const aws = new Aws();
  await sandbox.call('s3', 'CreateBucket', { Bucket: 'journal' });
  aws.beforeChange = async () => {
    throw new Error('asked');
  };
  const store = aws.journal('journal', 'video');
  // thousands of events are read many at a time, in order and without a gap.
  for (let number = 1; number <= 20; number += 1) expect(await store.create('w1', number, `event ${number}`)).toBe(true);
  await store.create('w1', 22, 'behind a gap');
  expect(await store.read('w1', 1)).toEqual(Array.from({ length: 20 }, (_, i) => `event ${i + 1}`));
  expect(await store.read('w1', 21)).toEqual([]);
});
