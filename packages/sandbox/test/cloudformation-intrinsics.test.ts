import { difference } from '../lib/services/cloudformation/plan';
import { findType } from '../lib/services/cloudformation/resources';
import { type Any, parameter, Stacks } from './cloudformation-support';

let stacks: Stacks;
beforeAll(async () => {
  stacks = await Stacks.start();
  stacks.parameters.set('/plain', 'from ssm');
});
afterAll(() => stacks.sandbox.stop());

const template = (value: unknown): object => ({
  Parameters: { Names: { Type: 'CommaDelimitedList', Default: 'a, b,c' }, Stage: { Type: 'String', Default: 'prod' } },
  Mappings: { Sizes: { prod: { size: 'large' } } },
  Conditions: { IsProd: { 'Fn::Equals': [{ Ref: 'Stage' }, 'prod'] }, IsTest: { 'Fn::Not': [{ Condition: 'IsProd' }] } },
  Resources: { A: parameter('1'), Left: parameter('1', { Condition: 'IsTest' }) },
  Outputs: { Out: { Value: value } },
});

test.each<[Any, string]>([
  [{ 'Fn::Join': ['-', ['x', { Ref: 'Stage' }, { Ref: 'AWS::NoValue' }]] }, 'x-prod'],
  [{ 'Fn::Join': ['+', { Ref: 'Names' }] }, 'a+b+c'],
  [{ 'Fn::Select': ['1', { Ref: 'Names' }] }, 'b'],
  [{ 'Fn::Select': [2, { 'Fn::Split': ['/', 'a/b/c'] }] }, 'c'],
  [{ 'Fn::Select': ['1', { 'Fn::GetAZs': '' }] }, 'eu-central-1b'],
  [{ 'Fn::Select': [1, { 'Fn::Cidr': ['10.0.0.0/16', 4, '8'] }] }, '10.0.1.0/24'],
  [{ 'Fn::FindInMap': ['Sizes', { Ref: 'Stage' }, 'size'] }, 'large'],
  [{ 'Fn::If': ['IsProd', 'yes', { Ref: 'Left' }] }, 'yes'],
  [{ 'Fn::If': ['IsTest', 'yes', 'no'] }, 'no'],
  [{ 'Fn::Base64': 'hello' }, 'aGVsbG8='],
  [{ 'Fn::Sub': '${AWS::Region} ${!Literal} ${A.Value} ${Stage}' }, 'eu-central-1 ${Literal} 1 prod'],
  [{ 'Fn::Sub': ['${Own}-${Stage}', { Own: { 'Fn::GetAtt': 'A.Value' } }] }, '1-prod'],
  ['{{resolve:ssm:/plain}}', 'from ssm'],
  [{ 'Fn::Sub': 'arn:${AWS::Partition}:x:${AWS::AccountId}.${AWS::URLSuffix}' }, 'arn:aws:x:000000000000.amazonaws.com'],
])('%j is %s', async (value, expected) => {
  const name = `s${stacks.sandbox.id(8)}`;
  expect((await stacks.create(template(value), {}, name)).Outputs).toEqual([{ OutputKey: 'Out', OutputValue: expected }]);
});

test('a resource whose condition is false is not there, and a condition that turns false removes it', async () => {
  await stacks.create(template('x'), { Parameters: [{ ParameterKey: 'Stage', ParameterValue: 'test' }] }, 'conditional');
  const ids = async (): Promise<string[]> =>
    (await stacks.call('DescribeStackResources', { StackName: 'conditional' })).StackResources.map(
      (one: Any) => one.LogicalResourceId,
    ).sort();
  expect(await ids()).toEqual(['A', 'Left']);
  await stacks.update(template('x'), {}, 'conditional');
  expect(await ids()).toEqual(['A']);
});

describe('a replica is replaced', () => {
  const type = findType('AWS::RDS::DBInstance')!;
  test.each([
    ['when its source changes', { SourceDBInstanceIdentifier: 'other' }, true],
    ['not when its source leaves the template: that promotes', {}, false],
    ['not when its class changes', { SourceDBInstanceIdentifier: 'source', DBInstanceClass: 'db.r8g.large' }, false],
    ['when its identifier changes', { SourceDBInstanceIdentifier: 'source', DBInstanceIdentifier: 'x' }, true],
  ])('%s', (_name, after, replaces) => {
    expect(difference(type, { SourceDBInstanceIdentifier: 'source' }, after).replaces).toBe(replaces);
  });
});
