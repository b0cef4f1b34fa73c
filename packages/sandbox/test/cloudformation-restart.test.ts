/** A sandbox that stops in the middle of an operation. */
import { sandboxForTest } from './_helpers/sandbox';
import type { Any } from './cloudformation-support';
import { eventually } from './tiny';

test('an operation that a stopping sandbox interrupts is rolled back when it is started again', async () => {
  const box = await sandboxForTest({ speed: 60 });
  try {
    const TemplateBody = JSON.stringify({
      Resources: {
        Group: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: 'made' } },
        Cluster: { Type: 'AWS::ECS::Cluster' },
        Task: {
          Type: 'AWS::ECS::TaskDefinition',
          Properties: {
            ContainerDefinitions: [{ Name: 'app', Image: 'nowhere:1', Command: ['node', 'app.js'] }],
            Cpu: '256',
            Memory: '512',
            NetworkMode: 'awsvpc',
            RequiresCompatibilities: ['FARGATE'],
          },
        },
        Service: {
          Type: 'AWS::ECS::Service',
          DependsOn: 'Group',
          Properties: {
            Cluster: { Ref: 'Cluster' },
            TaskDefinition: { Ref: 'Task' },
            DesiredCount: 1,
            LaunchType: 'FARGATE',
            NetworkConfiguration: { AwsvpcConfiguration: { Subnets: ['subnet-1'] } },
          },
        },
      },
    });
    await box.call('cloudformation', 'CreateStack', { StackName: 'app', TemplateBody });
    const resource = async (id: string): Promise<Any> =>
      (await box.call('cloudformation', 'DescribeStackResources', { StackName: 'app', LogicalResourceId: id })).StackResources[0];
    await eventually(async () => (await resource('Service'))?.PhysicalResourceId);
    await box.restart();
    const status = async (): Promise<string> =>
      (await box.call('cloudformation', 'DescribeStacks', { StackName: 'app' })).Stacks[0].StackStatus;
    await eventually(async () => !(await status()).endsWith('_IN_PROGRESS'));
    expect(await status()).toBe('ROLLBACK_COMPLETE');
    expect((await box.call('logs', 'DescribeLogGroups')).logGroups).toEqual([]);
    expect((await box.call('ecs', 'ListClusters')).clusterArns).toEqual([]);
  } finally {
    await box.stop();
  }
});
