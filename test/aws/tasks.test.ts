/** What ECS answers in pages. A hundred real tasks are too many for this machine: the pages are made by hand. */
import { DescribeTasksCommand, ListTasksCommand } from '@aws-sdk/client-ecs';
import { Tasks } from '../../lib/aws/tasks';

const service = { serviceName: 'mailer', desiredCount: 0, runningCount: 0, deployments: [] };

/** 250 tasks stopped in the last hour, listed a hundred at a time; one of them is still shutting down. */
function cluster(stillStopping: number) {
  const arns = Array.from({ length: 250 }, (_, i) => `arn:task/${i}`);
  return {
    async send(command: { input: { desiredStatus?: string; nextToken?: string; tasks?: string[] } }) {
      const { desiredStatus, nextToken = '0', tasks = [] } = command.input;
      if (command instanceof ListTasksCommand) {
        if (desiredStatus === 'RUNNING') return { taskArns: [] };
        const from = Number(nextToken);
        return { taskArns: arns.slice(from, from + 100), ...(from + 100 < arns.length ? { nextToken: String(from + 100) } : {}) };
      }
      if (command instanceof DescribeTasksCommand) {
        if (tasks.length > 100) throw new Error('at most 100 tasks');
        return { tasks: tasks.map((arn) => ({ lastStatus: arn === arns[stillStopping] ? 'DEACTIVATING' : 'STOPPED' })) };
      }
      return { services: [service] };
    },
  };
}

test.each([0, 99, 100, 249])(
  'a worker is not stopped while task %i of 250 is still shutting down, whatever page it is on',
  async (which) => {
    const tasks = new Tasks({ ecs: cluster(which) } as never);
    expect(await tasks.workers('video', ['mailer'])).toMatchObject([{ name: 'mailer', notStopped: 1 }]);
  },
);

test('a worker whose 250 tasks have all stopped is stopped', async () => {
  const tasks = new Tasks({ ecs: cluster(-1) } as never);
  expect(await tasks.workers('video', ['mailer'])).toMatchObject([{ notStopped: 0 }]);
});
