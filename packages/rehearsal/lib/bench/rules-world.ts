/** A load balancer in a sandbox with the rules of two colors, green in front, and the parameter of an open window. */
import { type Emergency, emergencyMoves, emergencyOf, emergencyParameter } from '../../../../lib/manifest/emergency';
import { priorityOf } from '../../../../lib/manifest/priorities';
import type { Color, Manifest, Rule } from '../../../../lib/manifest/schema';
import type { RunningSandbox } from '../../../sandbox/lib/server';

export interface RulesWorld {
  readonly system: string;
  readonly listener: string;
  /** As far as rules go. */
  readonly manifest: Manifest;
  readonly emergency: Emergency;
  /** Puts green in front again, and the maintenance answer too if wanted. */
  greenInFront(maintenance?: boolean): Promise<void>;
  /** Whether every rule stands where blue is live and nobody sees the maintenance answer. */
  isBack(): Promise<boolean>;
}

const first = 1000;

export async function rulesWorld(sandbox: RunningSandbox, system: string, applications: number): Promise<RulesWorld> {
  const call: RunningSandbox['call'] = (service, operation, input) => sandbox.call(service, operation, input);
  const { Vpc: vpc } = await call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const subnets = await Promise.all(
    ['a', 'b'].map(async (zone, index) => {
      const { Subnet: made } = await call('ec2', 'CreateSubnet', {
        VpcId: vpc.VpcId,
        CidrBlock: `10.0.${index}.0/24`,
        AvailabilityZone: `eu-central-1${zone}`,
      });
      return made.SubnetId as string;
    }),
  );
  const { LoadBalancers: balancers } = await call('elbv2', 'CreateLoadBalancer', { Name: system, Subnets: subnets });
  const answer = (text: string) => ({ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200', MessageBody: text } });
  const { Listeners: listeners } = await call('elbv2', 'CreateListener', {
    LoadBalancerArn: balancers[0].LoadBalancerArn,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [answer('nobody')],
  });
  const listener = listeners[0].ListenerArn as string;
  const rule = async (kind: Rule['kind'], owner: Color | undefined, slot: number): Promise<Rule> => {
    const { Rules: rules } = await call('elbv2', 'CreateRule', {
      ListenerArn: listener,
      Priority: priorityOf({ kind, slot }, owner, first, { live: 'green', maintenance: false }),
      Conditions: [{ Field: 'path-pattern', Values: [`/${slot}/*`] }],
      Actions: [answer(owner ?? 'maintenance')],
    });
    return { arn: rules[0].RuleArn, listener, application: `application-${slot}`, kind, slot };
  };
  const all: Record<'blue' | 'green' | 'maintenance', Rule[]> = { blue: [], green: [], maintenance: [] };
  for (let slot = 0; slot < applications; slot += 1) {
    all.blue.push(await rule('application', 'blue', slot));
    all.green.push(await rule('application', 'green', slot));
    all.maintenance.push(await rule('maintenance', undefined, slot));
  }
  // what an emergency knows of a manifest is its rules.
  const manifest = {
    shared: { listeners: [{ arn: listener, firstPriority: first }], maintenanceRules: all.maintenance },
    blue: { rules: all.blue },
    green: { rules: all.green },
  } as unknown as Manifest;
  const emergency = emergencyOf(manifest, { system, name: 'w1', from: 'blue' });
  await call('ssm', 'PutParameter', {
    Name: emergencyParameter(system),
    Value: JSON.stringify(emergency),
    Type: 'String',
    ...(JSON.stringify(emergency).length > 4096 ? { Tier: 'Advanced' } : {}),
  });
  return {
    system,
    listener,
    manifest,
    emergency,
    async greenInFront(maintenance = false) {
      const where = { live: 'green', maintenance } as const;
      const wanted = [
        ...all.green.map((one) => ({ one, owner: 'green' as const })),
        ...all.maintenance.map((one) => ({ one, owner: undefined })),
      ];
      await call('elbv2', 'SetRulePriorities', {
        RulePriorities: wanted.map(({ one, owner }) => ({ RuleArn: one.arn, Priority: priorityOf(one, owner, first, where) })),
      });
    },
    async isBack() {
      const { Rules: rules } = await call('elbv2', 'DescribeRules', { ListenerArn: listener });
      const order = new Map((rules as { RuleArn: string; Priority: string }[]).map(({ RuleArn, Priority }) => [RuleArn, Number(Priority)]));
      return emergencyMoves(emergency).every(({ priorities }) => priorities.every((each) => order.get(each.rule) === each.priority));
    },
  };
}
