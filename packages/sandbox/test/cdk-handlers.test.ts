/** The handlers that the CDK adds to an app by itself, with the flags of `cdk init`: their own code, as its library ships it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { sandboxForTest, type TestSandbox } from './_helpers/sandbox';
import { eventually } from './tiny';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await sandboxForTest();
});
afterAll(() => sandbox.stop());

test("the default security group of a VPC loses its rules, by the CDK's handler, which answers over HTTPS", async () => {
  const library = join(dirname(require.resolve('aws-cdk-lib/package.json')), 'custom-resource-handlers/dist');
  const files = {
    '__entrypoint__.js': readFileSync(join(library, 'core/nodejs-entrypoint-handler/index.js'), 'utf8'),
    'index.js': readFileSync(join(library, 'aws-ec2/restrict-default-security-group-handler/index.js'), 'utf8'),
  };
  await sandbox.call('lambda', 'CreateFunction', {
    ...{ FunctionName: 'restrict', Runtime: 'nodejs22.x', Handler: '__entrypoint__.handler', Role: 'arn:aws:iam::111122223333:role/r' },
    Timeout: 900,
    Code: { ZipFile: zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, strToU8(text)]))) },
  });
  const { Configuration } = await sandbox.call('lambda', 'GetFunction', { FunctionName: 'restrict' });
  await sandbox.call('cloudformation', 'CreateStack', {
    StackName: 'restricted',
    TemplateBody: JSON.stringify({
      Resources: {
        Vpc: { Type: 'AWS::EC2::VPC', Properties: { CidrBlock: '10.0.0.0/16' } },
        Restricted: {
          Type: 'Custom::VpcRestrictDefaultSG',
          Properties: {
            ServiceToken: Configuration.FunctionArn,
            DefaultSecurityGroupId: { 'Fn::GetAtt': ['Vpc', 'DefaultSecurityGroup'] },
            Account: { Ref: 'AWS::AccountId' },
          },
        },
      },
      Outputs: { Group: { Value: { 'Fn::GetAtt': ['Vpc', 'DefaultSecurityGroup'] } } },
    }),
  });
  const stack = await eventually(async () => {
    const { Stacks } = await sandbox.call('cloudformation', 'DescribeStacks', { StackName: 'restricted' });
    return Stacks[0].StackStatus === 'CREATE_IN_PROGRESS' ? undefined : Stacks[0];
  });
  expect(stack).toMatchObject({ StackStatus: 'CREATE_COMPLETE' });
  const group = { GroupIds: [stack.Outputs[0].OutputValue] };
  const {
    SecurityGroups: [restricted],
  } = await sandbox.call('ec2', 'DescribeSecurityGroups', group);
  expect(restricted).toMatchObject({ IpPermissions: [], IpPermissionsEgress: [] });
});
