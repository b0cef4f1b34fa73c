/** What a guard looks at before it lets a stack change: the system's state, the order of rules, what the stack itself is doing. */
import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetParameterCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import { z } from 'zod';
import { parameterName } from '../manifest/schema';
import type { Clients } from './clients';
import { isAws } from './outcome';

const acceptedSchema = z.object({ accepted: z.array(z.string()) });

export class GuardState {
  constructor(private readonly clients: Pick<Clients, 'ssm' | 'cloudformation'>) {}

  /** `UPDATE_IN_PROGRESS`, `UPDATE_ROLLBACK_IN_PROGRESS`, … */
  async stackStatus(stackId: string): Promise<string> {
    const { Stacks: [stack] = [] } = await this.clients.cloudformation.send(new DescribeStacksCommand({ StackName: stackId }));
    return stack?.StackStatus ?? '';
  }

  /** Fingerprints the guard has accepted, the newest first. */
  async accepted(system: string, part: string): Promise<string[]> {
    try {
      const { Parameter: found } = await this.clients.ssm.send(new GetParameterCommand({ Name: nameOf(system, part) }));
      return acceptedSchema.parse(JSON.parse(found?.Value ?? '')).accepted;
    } catch (error) {
      if (isAws(error, 'ParameterNotFound')) return [];
      throw error;
    }
  }

  async remember(system: string, part: string, accepted: readonly string[]): Promise<void> {
    await this.clients.ssm.send(
      new PutParameterCommand({ Name: nameOf(system, part), Value: JSON.stringify({ accepted }), Type: 'String', Overwrite: true }),
    );
  }
}

// outside the system's own folder, where every parameter is a part of the manifest or the state.
const nameOf = (system: string, part: string) => `/switchback-guard/${parameterName.part(system, part).slice('/switchback/'.length)}`;
