import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeletePolicyCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolesCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { clientConfig, sandboxForTest, type TestSandbox } from './_helpers/sandbox';

let sandbox: TestSandbox;
let iam: IAMClient;
beforeAll(async () => {
  sandbox = await sandboxForTest();
  iam = new IAMClient(clientConfig(sandbox));
});
afterAll(() => sandbox.stop());

const document = JSON.stringify({ Version: '2012-10-17', Statement: [] });
const create = (RoleName: string, AssumeRolePolicyDocument = document) =>
  iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));

test('a role is created, read, listed and deleted', async () => {
  const { Role } = await create('runner');
  expect(Role).toMatchObject({ Arn: 'arn:aws:iam::111122223333:role/runner', RoleName: 'runner', Path: '/' });
  const read = await iam.send(new GetRoleCommand({ RoleName: 'runner' }));
  expect(decodeURIComponent(read.Role!.AssumeRolePolicyDocument!)).toBe(document);
  expect((await iam.send(new ListRolesCommand({}))).Roles?.map(({ RoleName }) => RoleName)).toContain('runner');
  await expect(create('runner')).rejects.toMatchObject({ name: 'EntityAlreadyExistsException', $metadata: { httpStatusCode: 409 } });
  await iam.send(new DeleteRoleCommand({ RoleName: 'runner' }));
  await expect(iam.send(new GetRoleCommand({ RoleName: 'runner' }))).rejects.toMatchObject({
    name: 'NoSuchEntityException',
    $metadata: { httpStatusCode: 404 },
  });
});

test('a role with policies is not deleted before they are gone', async () => {
  const RoleName = 'task';
  await create(RoleName);
  const { Policy } = await iam.send(new CreatePolicyCommand({ PolicyName: 'read', PolicyDocument: document }));
  const PolicyArn = Policy!.Arn!;
  await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'inline', PolicyDocument: document }));
  const attached = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
  expect(attached.AttachedPolicies).toEqual([{ PolicyArn, PolicyName: 'read' }]);
  const inline = await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName: 'inline' }));
  expect(decodeURIComponent(inline.PolicyDocument!)).toBe(document);
  const version = await iam.send(new GetPolicyVersionCommand({ PolicyArn, VersionId: 'v1' }));
  expect(version.PolicyVersion).toMatchObject({ IsDefaultVersion: true });

  const conflict = { name: 'DeleteConflictException', $metadata: { httpStatusCode: 409 } };
  await expect(iam.send(new DeleteRoleCommand({ RoleName }))).rejects.toMatchObject(conflict);
  await expect(iam.send(new DeletePolicyCommand({ PolicyArn }))).rejects.toMatchObject(conflict);
  await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
  await expect(iam.send(new DeleteRoleCommand({ RoleName }))).rejects.toMatchObject(conflict);
  await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: 'inline' }));
  await iam.send(new DeleteRoleCommand({ RoleName }));
  await iam.send(new DeletePolicyCommand({ PolicyArn }));
});

test('a role with a policy that is no JSON, a policy that is not there, or a name too long is refused', async () => {
  await expect(create('broken', '{')).rejects.toMatchObject({ name: 'MalformedPolicyDocumentException' });
  await expect(create('x'.repeat(65))).rejects.toMatchObject({ name: 'ValidationError', message: expect.stringContaining('64') });
  await create('alone');
  const PolicyArn = 'arn:aws:iam::111122223333:policy/nowhere';
  await expect(iam.send(new AttachRolePolicyCommand({ RoleName: 'alone', PolicyArn }))).rejects.toMatchObject({
    name: 'NoSuchEntityException',
  });
  await iam.send(new AttachRolePolicyCommand({ RoleName: 'alone', PolicyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' }));
});
