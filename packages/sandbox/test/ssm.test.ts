import {
  AddTagsToResourceCommand,
  DeleteParameterCommand,
  DescribeParametersCommand,
  GetParameterCommand,
  GetParameterHistoryCommand,
  GetParametersByPathCommand,
  GetParametersCommand,
  ListTagsForResourceCommand,
  PutParameterCommand,
  type PutParameterCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let ssm: SSMClient;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  ssm = new SSMClient(clientConfig(sandbox));
});
afterAll(() => sandbox.stop());

const put = (Name: string, Value: string, more: Partial<PutParameterCommandInput> = {}) =>
  ssm.send(new PutParameterCommand({ Name, Value, Type: 'String', ...more }));
const get = async (Name: string) => (await ssm.send(new GetParameterCommand({ Name }))).Parameter;

test('a parameter is read back by name, by ARN and by version', async () => {
  expect(await put('/switchback/video/shared', 'one')).toMatchObject({ Version: 1, Tier: 'Standard' });
  expect(await put('/switchback/video/shared', 'two', { Overwrite: true })).toMatchObject({ Version: 2 });
  const parameter = await get('/switchback/video/shared');
  expect(parameter).toMatchObject({
    ARN: 'arn:aws:ssm:eu-central-1:111122223333:parameter/switchback/video/shared',
    Type: 'String',
    Value: 'two',
    Version: 2,
    DataType: 'text',
  });
  expect(parameter?.LastModifiedDate).toBeInstanceOf(Date);
  expect(await get(parameter!.ARN!)).toMatchObject({ Value: 'two' });
  expect(await get('/switchback/video/shared:1')).toMatchObject({ Value: 'one', Selector: ':1' });
  const history = await ssm.send(new GetParameterHistoryCommand({ Name: '/switchback/video/shared' }));
  expect(history.Parameters?.map(({ Value }) => Value)).toEqual(['one', 'two']);
});

test('a parameter that exists is not overwritten unasked', async () => {
  await put('/once', 'mine');
  await expect(put('/once', 'yours')).rejects.toMatchObject({ name: 'ParameterAlreadyExists', $metadata: { httpStatusCode: 400 } });
  expect(await get('/once')).toMatchObject({ Value: 'mine' });
});

test('a standard parameter holds 4 KB, an advanced one 8 KB', async () => {
  await put('/full', 'x'.repeat(4096));
  await expect(put('/larger', 'x'.repeat(4097))).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('4096'),
  });
  expect(await put('/larger', 'x'.repeat(4097), { Tier: 'Intelligent-Tiering' })).toMatchObject({ Tier: 'Advanced' });
  await expect(put('/largest', 'x'.repeat(8193), { Tier: 'Advanced' })).rejects.toMatchObject({ message: expect.stringContaining('8192') });
  await expect(put('/larger', 'x', { Tier: 'Standard', Overwrite: true })).rejects.toMatchObject({ name: 'ValidationException' });
});

test('a whole system is read by its path, ten at a time', async () => {
  for (let n = 10; n < 22; n++) await put(`/system/a/${n}`, String(n));
  await put('/system/b', 'b');
  await put('/systematic', 'no');
  const page = (NextToken?: string) => ssm.send(new GetParametersByPathCommand({ Path: '/system', Recursive: true, NextToken }));
  const first = await page();
  const second = await page(first.NextToken);
  expect(first.Parameters).toHaveLength(10);
  expect([...first.Parameters!, ...second.Parameters!].map(({ Name }) => Name)).toEqual([
    ...Array.from({ length: 12 }, (_, n) => `/system/a/${n + 10}`),
    '/system/b',
  ]);
  expect(second.NextToken).toBeUndefined();
  const flat = await ssm.send(new GetParametersByPathCommand({ Path: '/system/' }));
  expect(flat.Parameters?.map(({ Name }) => Name)).toEqual(['/system/b']);
});

test('what is not there is named', async () => {
  await expect(get('/nothing')).rejects.toMatchObject({ name: 'ParameterNotFound', message: 'Parameter /nothing not found.' });
  await put('/something', 'x');
  const answer = await ssm.send(new GetParametersCommand({ Names: ['/something', '/nothing'] }));
  expect(answer.Parameters?.map(({ Name }) => Name)).toEqual(['/something']);
  expect(answer.InvalidParameters).toEqual(['/nothing']);
});

test('a secure string is readable only with decryption', async () => {
  await put('/secret', 'hush', { Type: 'SecureString' });
  expect((await get('/secret'))?.Value).not.toContain('hush');
  const read = await ssm.send(new GetParameterCommand({ Name: '/secret', WithDecryption: true }));
  expect(read.Parameter?.Value).toBe('hush');
});

test('parameters are described without their values, found by tag, and deleted', async () => {
  await put('/tagged', 'x', { Description: 'of a test', Tags: [{ Key: 'a', Value: 'b' }] });
  await ssm.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: '/tagged', Tags: [{ Key: 'c', Value: 'd' }] }));
  const tags = await ssm.send(new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: '/tagged' }));
  expect(tags.TagList).toEqual([
    { Key: 'a', Value: 'b' },
    { Key: 'c', Value: 'd' },
  ]);
  const described = await ssm.send(new DescribeParametersCommand({ ParameterFilters: [{ Key: 'tag:c', Values: ['d'] }] }));
  expect(described.Parameters).toMatchObject([{ Name: '/tagged', Description: 'of a test', Tier: 'Standard' }]);
  await ssm.send(new DeleteParameterCommand({ Name: '/tagged' }));
  await expect(ssm.send(new DeleteParameterCommand({ Name: '/tagged' }))).rejects.toMatchObject({ name: 'ParameterNotFound' });
});

test.each([
  ['no/slash/in/front', 'fully qualified'],
  ['/aws/reserved', 'prefixed'],
  ['/with space', 'letters'],
])('the name %s is refused', async (name, reason) => {
  await expect(put(name, 'x')).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining(reason) });
});
