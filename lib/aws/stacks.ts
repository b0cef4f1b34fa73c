/** CloudFormation in our words: only what a teardown needs. */
import {
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation';
import type { Clients } from './clients';
import { mutate } from './outcome';

export class Stacks {
  constructor(private readonly clients: Pick<Clients, 'cloudformation'>) {}

  /** `CREATE_COMPLETE`, `DELETE_IN_PROGRESS`, … with CloudFormation's reason; undefined when there is no such stack. */
  async status(name: string): Promise<{ readonly status: string; readonly reason: string | undefined } | undefined> {
    try {
      const { Stacks: [stack] = [] } = await this.clients.cloudformation.send(new DescribeStacksCommand({ StackName: name }));
      if (!stack || stack.StackStatus === 'DELETE_COMPLETE') return undefined;
      const failed = stack.StackStatus === 'DELETE_FAILED' ? await this.whatFailed(name) : undefined;
      return { status: stack.StackStatus ?? '', reason: failed ?? stack.StackStatusReason };
    } catch (error) {
      if (error instanceof Error && error.name === 'ValidationError' && error.message.includes('does not exist')) return undefined;
      throw error;
    }
  }

  /** The stack's own reason only names resources; theirs say why. */
  private async whatFailed(name: string): Promise<string | undefined> {
    const { StackEvents: events = [] } = await this.clients.cloudformation.send(new DescribeStackEventsCommand({ StackName: name }));
    const latest = events.slice(
      0,
      events.findIndex((event) => event.ResourceStatus === 'DELETE_IN_PROGRESS' && event.LogicalResourceId === name),
    );
    const failed = latest.filter((event) => event.ResourceStatus === 'DELETE_FAILED' && event.LogicalResourceId !== name);
    const reasons = failed.map((event) => `${event.LogicalResourceId}: ${event.ResourceStatusReason ?? 'no reason given'}`);
    return reasons.length > 0 ? reasons.join('; ') : undefined;
  }

  async delete(name: string): Promise<void> {
    const look = `aws cloudformation describe-stacks --stack-name ${name}`;
    await mutate(`cloudformation UpdateTerminationProtection ${name}`, look, () =>
      this.clients.cloudformation.send(new UpdateTerminationProtectionCommand({ StackName: name, EnableTerminationProtection: false })),
    );
    await mutate(`cloudformation DeleteStack ${name}`, look, () =>
      this.clients.cloudformation.send(new DeleteStackCommand({ StackName: name })),
    );
  }
}
