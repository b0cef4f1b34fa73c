import { type Any, named, parameter, Stacks } from './cloudformation-support';
import { eventually } from './tiny';

let stacks: Stacks;
beforeEach(async () => {
  stacks = await Stacks.start();
});
afterEach(() => stacks.sandbox.stop());

const functionArn = 'arn:aws:lambda:eu-central-1:000000000000:function:f';
const custom = (properties: object = {}, more: object = {}): object => ({
  Type: 'Custom::Thing',
  Properties: { ServiceToken: functionArn, ...properties },
  ...more,
});

describe('creating', () => {
  test('resources come after what they need, and outputs say what was made', async () => {
    const stack = await stacks.create({
      Resources: {
        Second: named('/second', { 'Fn::Sub': 'after ${First}' }),
        First: named('/first', 'one'),
        Third: named('/third', { 'Fn::GetAtt': ['First', 'Value'] }, { DependsOn: ['Second'] }),
      },
      Outputs: { Made: { Value: { Ref: 'Second' }, Description: 'the second' } },
    });
    expect(stack.StackStatus).toBe('CREATE_COMPLETE');
    expect(stack.Outputs).toEqual([{ OutputKey: 'Made', OutputValue: '/second', Description: 'the second' }]);
    expect(stacks.calls).toEqual(['put /first=one', 'put /second=after /first', 'put /third=one']);
    expect(await stacks.story()).toEqual([
      'app CREATE_IN_PROGRESS',
      'First CREATE_IN_PROGRESS',
      'First CREATE_COMPLETE',
      'Second CREATE_IN_PROGRESS',
      'Second CREATE_COMPLETE',
      'Third CREATE_IN_PROGRESS',
      'Third CREATE_COMPLETE',
      'app CREATE_COMPLETE',
    ]);
  });

  test('a failure deletes what was made, and the reason names the resource and what the service said', async () => {
    stacks.refused.add('/b');
    const stack = await stacks.create({
      Resources: { A: named('/a', '1'), B: named('/b', '2', { DependsOn: 'A' }), C: named('/c', '3', { DependsOn: 'B' }) },
    });
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect([...stacks.parameters.keys()]).toEqual([]);
    const events = (await stacks.call('DescribeStackEvents', { StackName: 'app' })).StackEvents as Any[];
    expect(events.find((event) => event.ResourceStatus === 'CREATE_FAILED')).toMatchObject({
      LogicalResourceId: 'B',
      ResourceStatusReason: 'Resource handler returned message: "no /b today" (HandlerErrorCode: AccessDenied)',
    });
    expect(events.find((event) => event.ResourceStatus === 'ROLLBACK_IN_PROGRESS').ResourceStatusReason).toBe(
      'The following resource(s) failed to create: [B]. Rollback requested by user.',
    );
    expect(events.some((event) => event.LogicalResourceId === 'C')).toBe(false);
    await expect(
      stacks.call('UpdateStack', { StackName: 'app', TemplateBody: '{"Resources":{"A":{"Type":"AWS::SSM::Parameter"}}}' }),
    ).rejects.toThrow('is in ROLLBACK_COMPLETE state and can not be updated.');
  });

  test('without roll-back the failed stack stays, and RollbackStack takes it away', async () => {
    stacks.refused.add('/b');
    const template = { Resources: { A: named('/a', '1'), B: named('/b', '2', { DependsOn: 'A' }) } };
    expect((await stacks.create(template, { DisableRollback: true })).StackStatus).toBe('CREATE_FAILED');
    expect([...stacks.parameters.keys()]).toEqual(['/a']);
    await stacks.call('RollbackStack', { StackName: 'app' });
    expect((await stacks.settled()).StackStatus).toBe('ROLLBACK_COMPLETE');
    expect([...stacks.parameters.keys()]).toEqual([]);
  });

  test.each([
    [{ Resources: { A: { Type: 'AWS::Moon::Base' } } }, 'Unrecognized resource types: [AWS::Moon::Base]'],
    [{ Resources: { A: parameter({ Ref: 'Nobody' }) } }, 'Unresolved resource dependencies [Nobody] in the Resources block'],
    [{ Resources: { A: parameter({ Ref: 'B' }), B: parameter({ Ref: 'A' }) } }, 'Circular dependency between resources: [A, B]'],
    [{ Parameters: { P: { Type: 'String' } }, Resources: { A: parameter('1') } }, 'Parameters: [P] must have values'],
    [
      { Parameters: { P: { Type: 'String', Default: 'x', AllowedValues: ['y'] } }, Resources: { A: parameter('1') } },
      "Parameter 'P' must be one of AllowedValues",
    ],
    [
      { Parameters: { P: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/no' } }, Resources: { A: parameter('1') } },
      'Unable to fetch parameters [/no]',
    ],
    [{ Resources: {} }, 'At least one Resources member must be defined'],
  ])('a template that cannot be is refused before anything is made: %j', async (template, message) => {
    await expect(stacks.call('CreateStack', { StackName: 'app', TemplateBody: JSON.stringify(template) })).rejects.toThrow(message);
    await expect(stacks.call('DescribeStacks', { StackName: 'app' })).rejects.toThrow('Stack with id app does not exist');
  });

  test('YAML, as cdk bootstrap sends it', async () => {
    await stacks.call('CreateStack', {
      StackName: 'app',
      TemplateBody:
        "Resources:\n  A:\n    Type: AWS::SSM::Parameter\n    Properties:\n      Name: /a\n      Type: String\n      Value: '33'\n",
    });
    expect((await stacks.settled()).StackStatus).toBe('CREATE_COMPLETE');
    expect(stacks.parameters.get('/a')).toBe('33');
  });
});

describe('updating', () => {
  test('only what differs from the stored template is touched: in place, replaced, added and removed', async () => {
    await stacks.create({
      Resources: { Same: named('/same', '1'), Changed: named('/changed', '1'), Moved: named('/old', '1'), Gone: named('/gone', '1') },
    });
    stacks.parameters.set('/same', 'changed behind its back');
    stacks.calls.length = 0;
    const stack = await stacks.update({
      Resources: {
        Same: named('/same', '1'),
        Changed: named('/changed', '2'),
        Moved: named('/new', '1'),
        Added: named('/added', { Ref: 'Moved' }),
      },
    });
    expect(stack.StackStatus).toBe('UPDATE_COMPLETE');
    expect(stacks.calls.slice(0, 3).sort()).toEqual(['put /added=/new', 'put /changed=2', 'put /new=1']);
    expect(stacks.calls.slice(3).sort()).toEqual(['delete /gone', 'delete /old']);
    expect(stacks.parameters.get('/same')).toBe('changed behind its back');
    const story = await stacks.story();
    expect(story.indexOf('app UPDATE_COMPLETE_CLEANUP_IN_PROGRESS')).toBeLessThan(story.indexOf('Moved DELETE_COMPLETE'));
  });

  test('a failing update puts everything back, with the old properties', async () => {
    // A needs something that no update touches.
    const still = { Still: named('/still', '1') };
    const a = (value: string): object => named('/a', value, { DependsOn: 'Still' });
    await stacks.create({ Resources: { ...still, A: a('1'), B: named('/b', '1'), M: named('/old', '1') } });
    stacks.refused.add('/new-b');
    stacks.calls.length = 0;
    const stack = await stacks.update({
      Resources: {
        ...still,
        A: a('2'),
        N: named('/n', '1'),
        M: named('/new', '1'),
        B: named('/new-b', '2', { DependsOn: ['A', 'N', 'M'] }),
      },
    });
    expect(stack).toMatchObject({ StackStatus: 'UPDATE_ROLLBACK_COMPLETE' });
    expect(Object.fromEntries(stacks.parameters)).toEqual({ '/still': '1', '/a': '1', '/b': '1', '/old': '1' });
    expect((await stacks.call('GetTemplate', { StackName: 'app' })).TemplateBody).toContain('"/old"');
    const resources = (await stacks.call('DescribeStackResources', { StackName: 'app' })).StackResources as Any[];
    expect(resources.map((resource) => resource.PhysicalResourceId).sort()).toEqual(['/a', '/b', '/old', '/still']);
    // and what was put back is what the next update is compared with.
    await expect(stacks.update({ Resources: { ...still, A: a('1'), B: named('/b', '1'), M: named('/old', '1') } })).rejects.toThrow(
      'No updates are to be performed.',
    );
  });

  test('a roll-back that fails can be continued, and a resource can be skipped', async () => {
    await stacks.create({ Resources: { A: custom({ Value: 1 }), B: named('/b', '1') } });
    stacks.refused.add('/b');
    stacks.answer = (event) => (event.ResourceProperties.Value === '1' ? { Status: 'FAILED', Reason: 'not back' } : { Status: 'SUCCESS' });
    const after = { Resources: { A: custom({ Value: 2 }), B: named('/b', '2', { DependsOn: 'A' }) } };
    const failed = await stacks.update(after);
    expect(failed).toMatchObject({
      StackStatus: 'UPDATE_ROLLBACK_FAILED',
      StackStatusReason: 'The following resource(s) failed to update: [B, A]. ',
    });
    await stacks.call('ContinueUpdateRollback', { StackName: 'app', ResourcesToSkip: ['A', 'B'] });
    expect((await stacks.settled()).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
  });

  test('without roll-back a failed update stays, and the next one tries again what failed', async () => {
    await stacks.create({ Resources: { A: named('/a', '1'), B: named('/old', '1') } });
    stacks.refused.add('/a').add('/c');
    const after = { Resources: { A: named('/a', '2'), B: named('/new', '1'), C: named('/c', '1', { DependsOn: 'B' }) } };
    expect((await stacks.update(after, { DisableRollback: true })).StackStatus).toBe('UPDATE_FAILED');
    stacks.refused.clear();
    expect((await stacks.update(after)).StackStatus).toBe('UPDATE_COMPLETE');
    expect(Object.fromEntries(stacks.parameters)).toEqual({ '/a': '2', '/new': '1', '/c': '1' });
  });

  test('nothing to do is refused, also for a change set', async () => {
    const template = { Resources: { A: named('/a', '1') } };
    await stacks.create(template);
    await expect(stacks.update(template)).rejects.toThrow('No updates are to be performed.');
    await stacks.call('CreateChangeSet', { StackName: 'app', ChangeSetName: 'c', TemplateBody: JSON.stringify(template) });
    expect(await stacks.call('DescribeChangeSet', { StackName: 'app', ChangeSetName: 'c' })).toMatchObject({
      Status: 'FAILED',
      ExecutionStatus: 'UNAVAILABLE',
      StatusReason: "The submitted information didn't contain changes. Submit different information to create a change set.",
    });
  });

  test('SSM parameter types are read again on every update', async () => {
    stacks.parameters.set('/image', 'v1');
    const template = {
      Parameters: { Image: { Type: 'AWS::SSM::Parameter::Value<String>', Default: '/image' } },
      Resources: { A: named('/a', { Ref: 'Image' }) },
    };
    expect((await stacks.create(template)).Parameters).toEqual([{ ParameterKey: 'Image', ParameterValue: '/image', ResolvedValue: 'v1' }]);
    await expect(stacks.update(template)).rejects.toThrow('No updates');
    stacks.parameters.set('/image', 'v2');
    await stacks.update(template);
    expect(stacks.parameters.get('/a')).toBe('v2');
  });
});

describe('change sets', () => {
  test('a new stack waits in review, and executing the change set creates it', async () => {
    const TemplateBody = JSON.stringify({ Resources: { A: named('/a', '1') } });
    const { Id, StackId } = await stacks.call('CreateChangeSet', {
      StackName: 'app',
      ChangeSetName: 'c',
      ChangeSetType: 'CREATE',
      TemplateBody,
    });
    expect((await stacks.call('DescribeStacks', { StackName: 'app' })).Stacks[0].StackStatus).toBe('REVIEW_IN_PROGRESS');
    expect((await stacks.call('DescribeChangeSet', { ChangeSetName: Id })).Changes).toEqual([
      { Type: 'Resource', ResourceChange: expect.objectContaining({ Action: 'Add', LogicalResourceId: 'A' }) },
    ]);
    await stacks.call('ExecuteChangeSet', { ChangeSetName: 'c', StackName: StackId });
    expect((await stacks.settled()).StackStatus).toBe('CREATE_COMPLETE');
    await expect(stacks.call('DescribeChangeSet', { ChangeSetName: Id })).rejects.toMatchObject({ name: 'ChangeSetNotFound' });
  });

  test('replacement is said, also of what depends on the replaced', async () => {
    await stacks.create({
      Resources: { A: named('/a', '1'), B: named('/b', { Ref: 'A' }), C: named({ 'Fn::Sub': '${A}/c' } as never, '1') },
    });
    const TemplateBody = JSON.stringify({
      Resources: { A: named('/z', '1'), B: named('/b', { Ref: 'A' }), C: named({ 'Fn::Sub': '${A}/c' } as never, '1') },
    });
    await stacks.call('CreateChangeSet', { StackName: 'app', ChangeSetName: 'c', TemplateBody });
    const { Changes } = await stacks.call('DescribeChangeSet', { StackName: 'app', ChangeSetName: 'c' });
    expect(Changes.map(({ ResourceChange: change }: Any) => [change.LogicalResourceId, change.Replacement])).toEqual([
      ['A', 'True'],
      ['B', 'False'],
      ['C', 'True'],
    ]);
  });
});

describe('deleting', () => {
  test('what needs a resource goes first; retained resources stay', async () => {
    await stacks.create({
      Resources: { A: named('/a', '1'), B: named('/b', { Ref: 'A' }), K: named('/k', '1', { DeletionPolicy: 'Retain' }) },
    });
    stacks.calls.length = 0;
    await stacks.call('DeleteStack', { StackName: 'app' });
    const { StackId } = await stacks.settled().catch(() => ({ StackId: undefined }));
    expect(StackId ? undefined : 'gone').toBe('gone');
    expect(stacks.calls).toEqual(['delete /b', 'delete /a']);
    expect([...stacks.parameters.keys()]).toEqual(['/k']);
  });

  test('termination protection refuses, and a failed deletion can retain what failed', async () => {
    await stacks.create({ Resources: { A: named('/a', '1'), B: named('/b', '1') } }, { EnableTerminationProtection: true });
    await expect(stacks.call('DeleteStack', { StackName: 'app' })).rejects.toThrow(
      'Stack [app] cannot be deleted while TerminationProtection is enabled',
    );
    await stacks.call('UpdateTerminationProtection', { StackName: 'app', EnableTerminationProtection: false });
    stacks.refused.add('/b');
    const id = (await stacks.call('DescribeStacks', { StackName: 'app' })).Stacks[0].StackId;
    await stacks.call('DeleteStack', { StackName: 'app' });
    expect(await stacks.settled(id)).toMatchObject({
      StackStatus: 'DELETE_FAILED',
      StackStatusReason: 'The following resource(s) failed to delete: [B]. ',
    });
    await stacks.call('DeleteStack', { StackName: 'app', RetainResources: ['B'] });
    expect((await stacks.settled(id)).StackStatus).toBe('DELETE_COMPLETE');
  });

  test('an export in use can neither be removed nor changed, and its stack not deleted', async () => {
    const exporting = (value: string, exported = true): Any => ({
      Resources: { A: named('/a', value) },
      Outputs: exported ? { Out: { Value: { 'Fn::GetAtt': ['A', 'Value'] }, Export: { Name: 'shared' } } } : { Out: { Value: value } },
    });
    await stacks.create(exporting('1'), {}, 'base');
    await stacks.create({ Resources: { B: named('/b', { 'Fn::ImportValue': 'shared' }) } }, {}, 'user');
    expect(stacks.parameters.get('/b')).toBe('1');
    expect((await stacks.call('ListImports', { ExportName: 'shared' })).Imports).toEqual(['user']);
    expect((await stacks.update(exporting('2'), {}, 'base')).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect((await stacks.update(exporting('1', false), {}, 'base')).StackStatus).toBe('UPDATE_ROLLBACK_COMPLETE');
    expect(stacks.parameters.get('/a')).toBe('1');
    await stacks.call('DeleteStack', { StackName: 'base' });
    expect(await stacks.settled('base')).toMatchObject({
      StackStatus: 'UPDATE_ROLLBACK_COMPLETE',
      StackStatusReason: 'Delete canceled. Cannot delete export shared as it is in use by user.',
    });
    expect(stacks.parameters.get('/a')).toBe('1');
  });

  test('an output read by Fn::GetStackOutput may change and go: the reader keeps what it read until it is updated', async () => {
    const giving = (value: string): Any => ({
      Resources: { A: named('/a', value) },
      Outputs: { Out: { Value: { 'Fn::GetAtt': ['A', 'Value'] } } },
    });
    const reading = (output = 'Out', more: object = {}): Any => ({
      Resources: {
        B: named('/b', { 'Fn::Join': ['', ['got ', { 'Fn::GetStackOutput': { StackName: 'giver', OutputName: output, ...more } }]] }),
      },
    });
    await stacks.create(giving('1'), {}, 'giver');
    await stacks.create(reading('Out', { Region: { Ref: 'AWS::Region' } }), {}, 'reader');
    expect(stacks.parameters.get('/b')).toBe('got 1');
    expect((await stacks.update(giving('2'), {}, 'giver')).StackStatus).toBe('UPDATE_COMPLETE');
    expect(stacks.parameters.get('/b')).toBe('got 1');
    await stacks.update(reading(), {}, 'reader');
    expect(stacks.parameters.get('/b')).toBe('got 2');
    const refused = (template: Any) => stacks.call('UpdateStack', { StackName: 'reader', TemplateBody: JSON.stringify(template) });
    await expect(refused(reading('Other'))).rejects.toMatchObject({
      code: 'ValidationError',
      message: 'Output Other of stack giver does not exist',
    });
    await expect(refused(reading('Out', { Region: 'us-east-1' }))).rejects.toThrow('the sandbox has stacks in eu-central-1 only');
    await stacks.call('DeleteStack', { StackName: 'giver' });
    await eventually(() => !stacks.parameters.has('/a'));
    await stacks.settled('reader');
    await eventually(() =>
      refused(reading()).then(
        () => false,
        (error: Error) => error.message === 'Stack with id giver does not exist',
      ),
    );
    expect(stacks.parameters.get('/b')).toBe('got 2');
  });
});

describe('custom resources', () => {
  test('the function gets the event, and its answer is the physical id and the attributes', async () => {
    stacks.answer = () => ({ Status: 'SUCCESS', PhysicalResourceId: 'thing-1', Data: { Color: 'green' } });
    const stack = await stacks.create({
      Resources: { Thing: custom({ Count: 2, On: true, List: [1] }) },
      Outputs: { Color: { Value: { 'Fn::GetAtt': ['Thing', 'Color'] } }, Id: { Value: { Ref: 'Thing' } } },
    });
    expect(stack.Outputs.map((output: Any) => output.OutputValue)).toEqual(['green', 'thing-1']);
    expect(stacks.events[0]).toMatchObject({
      RequestType: 'Create',
      ResourceType: 'Custom::Thing',
      LogicalResourceId: 'Thing',
      StackId: stack.StackId,
      ResourceProperties: { ServiceToken: functionArn, Count: '2', On: 'true', List: ['1'] },
    });
  });

  test('another physical id after an update is a replacement: the old one is deleted afterwards', async () => {
    stacks.answer = (event) => ({ Status: 'SUCCESS', PhysicalResourceId: `thing-${event.ResourceProperties.Value}` });
    await stacks.create({ Resources: { Thing: custom({ Value: 1 }) } });
    await stacks.update({ Resources: { Thing: custom({ Value: 2 }) } });
    expect(stacks.events.map((event) => [event.RequestType, event.PhysicalResourceId, event.OldResourceProperties?.Value])).toEqual([
      ['Create', undefined, undefined],
      ['Update', 'thing-1', '1'],
      ['Delete', 'thing-1', undefined],
    ]);
  });

  test('a refused create is deleted by the id the function gave, and the reason is the function own', async () => {
    stacks.answer = (event) =>
      event.RequestType === 'Create' ? { Status: 'FAILED', Reason: 'green is live', PhysicalResourceId: 'guard' } : { Status: 'SUCCESS' };
    const stack = await stacks.create({ Resources: { Guard: custom() } });
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
    expect(stacks.events.at(-1)).toMatchObject({ RequestType: 'Delete', PhysicalResourceId: 'guard' });
    const events = (await stacks.call('DescribeStackEvents', { StackName: 'app' })).StackEvents as Any[];
    expect(events.find((event) => event.ResourceStatus === 'CREATE_FAILED').ResourceStatusReason).toMatch(
      /^Received response status \[FAILED\] from custom resource\. Message returned: green is live \(RequestId: .+\)$/,
    );
  });

  test('a failed update calls the function again with the old properties', async () => {
    await stacks.create({ Resources: { Guard: custom({ Release: 'v1' }), A: named('/a', '1') } });
    stacks.refused.add('/a');
    await stacks.update({ Resources: { Guard: custom({ Release: 'v2' }), A: named('/a', '2', { DependsOn: 'Guard' }) } });
    expect(stacks.events.map((event) => [event.RequestType, event.ResourceProperties.Release])).toEqual([
      ['Create', 'v1'],
      ['Update', 'v2'],
      ['Update', 'v1'],
    ]);
  });

  test('a roll-back asks the function to go back even when it had answered with another id', async () => {
    stacks.answer = (event) => ({ Status: 'SUCCESS', PhysicalResourceId: `thing-${event.ResourceProperties.Value}` });
    await stacks.create({ Resources: { Thing: custom({ Value: 1 }) } });
    stacks.refused.add('/a');
    await stacks.update({ Resources: { Thing: custom({ Value: 2 }), A: named('/a', '2', { DependsOn: 'Thing' }) } });
    expect(stacks.events.slice(1).map((event) => [event.RequestType, event.PhysicalResourceId, event.ResourceProperties.Value])).toEqual([
      ['Update', 'thing-1', '2'],
      ['Update', 'thing-2', '1'],
      ['Delete', 'thing-2', '2'],
    ]);
  });

  test('a function that never answers fails the stack when its time is up', async () => {
    stacks.answer = (event) => (event.RequestType === 'Create' ? undefined : { Status: 'SUCCESS' });
    const stack = await stacks.create({ Resources: { Slow: custom({ ServiceTimeout: 30 }) } });
    expect(stack.StackStatus).toBe('ROLLBACK_COMPLETE');
  });
});

test('secrets are read on the way to the service and are in no file', async () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:000000000000:secret:db-AbCdEf';
  stacks.secrets.set(arn, JSON.stringify({ password: 'hunter2' }));
  await stacks.create({
    Resources: { A: named('/a', { 'Fn::Join': ['', ['{{resolve:secretsmanager:', arn, ':SecretString:password::}}']] }) },
  });
  expect(stacks.parameters.get('/a')).toBe('hunter2');
  const { readFileSync, readdirSync } = await import('node:fs');
  const state = `${stacks.sandbox.folder}/state`;
  for (const file of readdirSync(state)) expect(readFileSync(`${state}/${file}`, 'utf8')).not.toContain('hunter2');
});
