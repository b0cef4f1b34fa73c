import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetRandomPasswordCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
  RestoreSecretCommand,
  SecretsManagerClient,
  UpdateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let secrets: SecretsManagerClient;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  secrets = new SecretsManagerClient(clientConfig(sandbox));
});
afterAll(() => sandbox.stop());

const create = (Name: string, SecretString?: string, more = {}) => secrets.send(new CreateSecretCommand({ Name, SecretString, ...more }));
const value = async (SecretId: string, more = {}) => (await secrets.send(new GetSecretValueCommand({ SecretId, ...more }))).SecretString;

test('a secret is found by its name, its ARN, and its ARN without the suffix', async () => {
  const { ARN } = await create('video/database', 'hush');
  expect(ARN).toMatch(/^arn:aws:secretsmanager:eu-central-1:111122223333:secret:video\/database-[A-Za-z0-9]{6}$/);
  expect(await value('video/database')).toBe('hush');
  expect(await value(ARN!)).toBe('hush');
  expect(await value(ARN!.slice(0, -7))).toBe('hush');
  await expect(value('video/nothing')).rejects.toMatchObject({ name: 'ResourceNotFoundException', $metadata: { httpStatusCode: 400 } });
});

test('a new value is current, the one before it previous, older ones gone', async () => {
  await create('rotating', 'one');
  const put = await secrets.send(new PutSecretValueCommand({ SecretId: 'rotating', SecretString: 'two' }));
  expect(put.VersionStages).toEqual(['AWSCURRENT']);
  expect(await value('rotating')).toBe('two');
  expect(await value('rotating', { VersionStage: 'AWSPREVIOUS' })).toBe('one');
  await secrets.send(new UpdateSecretCommand({ SecretId: 'rotating', SecretString: 'three', Description: 'again' }));
  const described = await secrets.send(new DescribeSecretCommand({ SecretId: 'rotating' }));
  expect(described.Description).toBe('again');
  expect(
    Object.values(described.VersionIdsToStages ?? {})
      .flat()
      .sort(),
  ).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
});

test('the same token with the same value changes nothing, with another value it is refused', async () => {
  await create('token', 'one');
  const put = (SecretString: string) =>
    secrets.send(new PutSecretValueCommand({ SecretId: 'token', SecretString, ClientRequestToken: 'a'.repeat(32) }));
  expect((await put('two')).VersionId).toBe((await put('two')).VersionId);
  await expect(put('three')).rejects.toMatchObject({ name: 'ResourceExistsException' });
  expect(await value('token')).toBe('two');
});

test('a secret without a value says that it has none, and binary values come back as they were', async () => {
  await create('empty');
  await expect(value('empty')).rejects.toMatchObject({ name: 'ResourceNotFoundException', message: expect.stringContaining('AWSCURRENT') });
  await secrets.send(new CreateSecretCommand({ Name: 'binary', SecretBinary: Buffer.from([0, 255]) }));
  const binary = await secrets.send(new GetSecretValueCommand({ SecretId: 'binary' }));
  expect([...binary.SecretBinary!]).toEqual([0, 255]);
});

test('a deleted secret is refused until it is restored; its name is taken', async () => {
  await sandbox.call('secretsmanager', 'CreateSecret', { Name: 'slow', SecretString: 'x' });
  await secrets.send(new DeleteSecretCommand({ SecretId: 'slow' }));
  await expect(value('slow')).rejects.toMatchObject({
    name: 'InvalidRequestException',
    message: expect.stringContaining('marked for deletion'),
  });
  await expect(create('slow', 'y')).rejects.toMatchObject({ name: 'InvalidRequestException' });
  expect((await secrets.send(new ListSecretsCommand({}))).SecretList?.map(({ Name }) => Name)).not.toContain('slow');
  await secrets.send(new RestoreSecretCommand({ SecretId: 'slow' }));
  expect(await value('slow')).toBe('x');
  await secrets.send(new DeleteSecretCommand({ SecretId: 'slow', ForceDeleteWithoutRecovery: true }));
  await create('slow', 'z');
  expect(await value('slow')).toBe('z');
});

test('after the recovery window the secret is gone', async () => {
  // so fast that seven days are half a second.
  const fast = await sandboxForTest({ speed: 1_200_000 });
  const read = () => fast.call('secretsmanager', 'GetSecretValue', { SecretId: 'going' }).catch((thrown: Error) => thrown.name);
  await fast.call('secretsmanager', 'CreateSecret', { Name: 'going', SecretString: 'x' });
  const { DeletionDate } = await fast.call('secretsmanager', 'DeleteSecret', { SecretId: 'going', RecoveryWindowInDays: 7 });
  let seen = await read();
  while (seen === 'InvalidRequestException') seen = await read();
  expect(seen).toBe('ResourceNotFoundException');
  expect(Date.now()).toBeGreaterThanOrEqual(DeletionDate.getTime());
  await fast.stop();
});

test('a secret that exists is not created again, and lists are filtered by the start of a name', async () => {
  await create('twice/a', 'x');
  await expect(create('twice/a', 'y')).rejects.toMatchObject({ name: 'ResourceExistsException' });
  await create('twice/b', 'x');
  const list = await secrets.send(new ListSecretsCommand({ Filters: [{ Key: 'name', Values: ['twice/'] }] }));
  expect(list.SecretList?.map(({ Name }) => Name)).toEqual(['twice/a', 'twice/b']);
});

test('random passwords have every kind of character that is not excluded', async () => {
  for (let n = 0; n < 20; n++) {
    const { RandomPassword } = await secrets.send(
      new GetRandomPasswordCommand({ PasswordLength: 8, ExcludePunctuation: true, ExcludeCharacters: 'abc' }),
    );
    expect(RandomPassword).toMatch(/^(?=.*[d-z])(?=.*[A-Z])(?=.*\d)[d-zA-Z\d]{8}$/);
  }
});
