import { strToU8, zipSync } from 'fflate';
import { handler } from '../../../lib/constructs/handlers/waking.lambda';
import { insideVariable } from '../../../lib/constructs/properties';
import { askFaults } from '../../../packages/sandbox/lib/faults/ask';
import { type Bench, startBench } from './balancer';
import { CloudFormation } from './cloudformation';

/** What a function in the VPC answers CloudFormation. */
const inside = `exports.handler = async (event) => {
  const body = JSON.stringify({ Status: 'SUCCESS', PhysicalResourceId: 'made-inside', Data: {} });
  await fetch(event.ResponseURL, { method: 'PUT', body });
}`;

let bench: Bench;
let cloudFormation: CloudFormation;
beforeAll(async () => {
  [bench, cloudFormation] = [await startBench(), await CloudFormation.of(handler)];
  await bench.sandbox.call('lambda', 'CreateFunction', {
    FunctionName: 'inside',
    Runtime: 'nodejs20.x',
    Handler: 'index.handler',
    Role: 'arn:aws:iam::000000000000:role/inside',
    Code: { ZipFile: zipSync({ 'index.js': strToU8(inside) }) },
    VpcConfig: { SubnetIds: ['subnet-1'], SecurityGroupIds: ['sg-1'] },
  });
});
afterAll(async () => {
  await cloudFormation.stop();
  await bench.sandbox.stop();
});

test('a function that has slept for weeks still answers CloudFormation', async () => {
  process.env[insideVariable] = 'inside';
  await askFaults(bench.sandbox.env, 'POST', '/now', { kind: 'asleep', target: 'inside', seconds: 60 });
  expect(await cloudFormation.create({})).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'made-inside' });
});

test('one that cannot be asked is said to CloudFormation, which would wait for an hour otherwise', async () => {
  process.env[insideVariable] = 'gone';
  expect(await cloudFormation.create({})).toMatchObject({ Status: 'FAILED', Reason: expect.stringContaining('Function not found') });
  expect(await cloudFormation.delete('made-inside', {})).toMatchObject({ Status: 'FAILED', PhysicalResourceId: 'made-inside' });
});
