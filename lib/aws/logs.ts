/** CloudWatch Logs in our words: the lines a one-off task has printed. */
import { GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import type { Clients } from './clients';
import { isAws } from './outcome';

export class Logs {
  constructor(private readonly clients: Pick<Clients, 'logs'>) {}

  /** The lines after `token`, and the token to go on from. No stream yet: no lines. */
  async lines(group: string, stream: string, token?: string): Promise<{ lines: string[]; token: string | undefined }> {
    try {
      const page = await this.clients.logs.send(
        new GetLogEventsCommand({
          logGroupName: group,
          logStreamName: stream,
          startFromHead: true,
          ...(token ? { nextToken: token } : {}),
        }),
      );
      return { lines: (page.events ?? []).map((event) => event.message ?? ''), token: page.nextForwardToken };
    } catch (error) {
      if (isAws(error, 'ResourceNotFoundException')) return { lines: [], token };
      throw error;
    }
  }
}
