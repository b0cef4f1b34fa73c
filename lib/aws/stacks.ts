/** CloudFormation in our words: only what a teardown needs. */
import { DeleteStackCommand, DescribeStacksCommand, UpdateTerminationProtectionCommand } from '@aws-sdk/client-cloudformation';
import type { Clients } from './clients';
import { mutate } from './outcome';

export class Stacks {
  constructor(private readonly clients: Pick<Clients, 'cloudformation'>) {}

  /** `CREATE_COMPLETE`, `DELETE_IN_PROGRESS`, … with CloudFormation's reason; undefined when there is no such stack. */
  async status(name: string): Promise<{ readonly status: string; readonly reason: string | undefined } | undefined> {
    try {
      const { Stacks: [stack] = [] } = await this.clients.cloudformation.send(new DescribeStacksCommand({ StackName: name }));
      return stack && stack.StackStatus !== 'DELETE_COMPLETE'
        ? { status: stack.StackStatus ?? '', reason: stack.StackStatusReason }
        : undefined;
    } catch (error) {
      if (error instanceof Error && error.name === 'ValidationError' && error.message.includes('does not exist')) return undefined;
      throw error;
    }
  }

  async delete(name: string): Promise<void> {
    await mutate(`cloudformation UpdateTerminationProtection ${name}`, () =>
      this.clients.cloudformation.send(new UpdateTerminationProtectionCommand({ StackName: name, EnableTerminationProtection: false })),
    );
    await mutate(`cloudformation DeleteStack ${name}`, () => this.clients.cloudformation.send(new DeleteStackCommand({ StackName: name })));
  }
}
