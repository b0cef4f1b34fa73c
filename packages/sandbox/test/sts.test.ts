import { AssumeRoleCommand, GetCallerIdentityCommand, GetSessionTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let sts: STSClient;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  sts = new STSClient(clientConfig(sandbox));
});
afterAll(() => sandbox.stop());

test('the caller is the account of the sandbox', async () => {
  const identity = await sts.send(new GetCallerIdentityCommand({}));
  expect(identity).toMatchObject({ Account: '111122223333', Arn: 'arn:aws:iam::111122223333:root' });
});

test('a role is assumed with credentials that end when asked', async () => {
  const before = Date.now();
  const role = 'arn:aws:iam::111122223333:role/cdk-hnb659fds-deploy-role-111122223333-eu-central-1';
  const answer = await sts.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: 'me', DurationSeconds: 900 }));
  expect(answer.AssumedRoleUser?.Arn).toBe('arn:aws:sts::111122223333:assumed-role/cdk-hnb659fds-deploy-role-111122223333-eu-central-1/me');
  const seconds = (answer.Credentials!.Expiration!.getTime() - before) / 1000;
  expect(seconds).toBeGreaterThan(890);
  expect(seconds).toBeLessThan(910);
});

test('what is no role is refused, as is an operation that is not served', async () => {
  await expect(sts.send(new AssumeRoleCommand({ RoleArn: 'nobody', RoleSessionName: 'me' }))).rejects.toMatchObject({
    name: 'ValidationError',
    message: 'nobody is invalid',
    $metadata: { httpStatusCode: 400 },
  });
  await expect(sts.send(new GetSessionTokenCommand({}))).rejects.toMatchObject({
    name: 'NotServedBySandbox',
    message: expect.stringContaining('GetSessionToken of sts'),
    $metadata: { httpStatusCode: 400, attempts: 1 },
  });
});
