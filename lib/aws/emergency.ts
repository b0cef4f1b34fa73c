/** What `rollback --traffic-only` needs of AWS, and nothing else: one parameter and the order of the rules. */
import { DescribeRulesCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { GetParameterCommand, GetParametersByPathCommand, PutParameterCommand } from '@aws-sdk/client-ssm';
import { switchback } from '../base/advice';
import { exit, messageOf, Stop } from '../base/errors';
import { type Emergency, emergencyParameter, parseEmergency } from '../manifest/emergency';
import type { Moves } from '../manifest/traffic';
import type { Clients } from './clients';
import { isAws, mutate } from './outcome';
import { setPriorities } from './rules';

/** A parameter of the standard tier holds this many characters. */
const standardTier = 4096;

export class EmergencyParameter {
  constructor(private readonly clients: Pick<Clients, 'elbv2' | 'ssm'>) {}

  /** @throws Stop `emergency.unreadable` */
  async read(system: string): Promise<Emergency | undefined> {
    const name = emergencyParameter(system);
    try {
      const { Parameter: found } = await this.clients.ssm.send(new GetParameterCommand({ Name: name }));
      return found?.Value === undefined ? undefined : parse(name, found.Value);
    } catch (error) {
      if (isAws(error, 'ParameterNotFound')) return undefined;
      throw error;
    }
  }

  /** Of every system in this account and Region that has ever opened a window. */
  async all(): Promise<Emergency[]> {
    const found: Emergency[] = [];
    let token: string | undefined;
    do {
      const page = await this.clients.ssm.send(
        new GetParametersByPathCommand({ Path: '/switchback/', Recursive: true, ...(token ? { NextToken: token } : {}) }),
      );
      for (const { Name: name, Value: value } of page.Parameters ?? [])
        if (name?.endsWith('/emergency') && value !== undefined) found.push(parse(name, value));
      token = page.NextToken;
    } while (token);
    return found;
  }

  async write(emergency: Emergency): Promise<void> {
    const name = emergencyParameter(emergency.system);
    const value = JSON.stringify(emergency);
    await mutate(`ssm PutParameter ${name}`, `aws ssm get-parameter --name ${name}`, () =>
      this.clients.ssm.send(
        new PutParameterCommand({
          Name: name,
          Value: value,
          Type: 'String',
          Overwrite: true,
          ...(value.length > standardTier ? { Tier: 'Advanced' } : {}),
        }),
      ),
    );
  }

  /** What has to move on each listener for the rules to stand as wanted; rules that are gone are left out. */
  async toMove(wanted: readonly Moves[]): Promise<Moves[]> {
    return Promise.all(
      wanted.map(async ({ listener, priorities }) => {
        const order = new Map<string, number>();
        let marker: string | undefined;
        do {
          const page = await this.clients.elbv2.send(
            new DescribeRulesCommand({ ListenerArn: listener, ...(marker ? { Marker: marker } : {}) }),
          );
          for (const { RuleArn: arn, Priority: priority } of page.Rules ?? []) if (arn) order.set(arn, Number(priority));
          marker = page.NextMarker;
        } while (marker);
        const there = priorities.filter(({ rule }) => order.has(rule));
        return { listener, priorities: there.filter(({ rule, priority }) => order.get(rule) !== priority) };
      }),
    );
  }

  /** One call per listener, all at once. */
  async move(moves: readonly Moves[]): Promise<void> {
    await Promise.all(moves.filter(({ priorities }) => priorities.length > 0).map((each) => setPriorities(this.clients, each)));
  }
}

function parse(name: string, text: string): Emergency {
  try {
    return parseEmergency(text);
  } catch (cause) {
    throw new Stop('emergency.unreadable', `the parameter ${name} cannot be read: ${messageOf(cause)}`, {
      next: [switchback('rollback')],
      exit: exit.usage,
      cause,
    });
  }
}
