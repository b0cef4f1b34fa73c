/** A sandbox with load balancers, and this process's environment pointing at it, as a function's would. One for each test file: SDK clients remember where they first went. */
import { sandboxForTest, type TestSandbox } from '../../../packages/sandbox/test/_helpers/sandbox';

export interface Bench {
  readonly sandbox: TestSandbox;
  /** A load balancer of its own, without rules. */
  balancer(): Promise<Balancer>;
}

export interface Balancer {
  readonly listener: string;
  readonly loadBalancer: string;
  /** Of the listener, on this machine. */
  readonly port: number;
  targetGroup(name: string): Promise<string>;
  /** `1601 /api/*`, `1050 /api/* x-switchback=green`, in order. */
  rules(): Promise<string[]>;
  /** Makes an earlier rule stand elsewhere. */
  move(from: number, to: number): Promise<void>;
}

export async function startBench(): Promise<Bench> {
  const sandbox = await sandboxForTest();
  Object.assign(process.env, sandbox.env);
  const { Vpc } = await sandbox.call('ec2', 'CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const subnets: string[] = [];
  for (const zone of ['a', 'b']) {
    const { Subnet } = await sandbox.call('ec2', 'CreateSubnet', {
      VpcId: Vpc.VpcId,
      CidrBlock: `10.0.${subnets.length}.0/24`,
      AvailabilityZone: `eu-central-1${zone}`,
    });
    subnets.push(Subnet.SubnetId);
  }
  let count = 0;
  return { sandbox, balancer: () => balancer(sandbox, `shop${++count}`, Vpc.VpcId, subnets) };
}

async function balancer(sandbox: TestSandbox, name: string, vpc: string, subnets: string[]): Promise<Balancer> {
  const { LoadBalancers } = await sandbox.call('elbv2', 'CreateLoadBalancer', { Name: name, Subnets: subnets });
  const loadBalancer = LoadBalancers[0].LoadBalancerArn;
  const { Listeners } = await sandbox.call('elbv2', 'CreateListener', {
    LoadBalancerArn: loadBalancer,
    Protocol: 'HTTP',
    Port: 80,
    DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '503' } }],
  });
  const listener = Listeners[0].ListenerArn;
  // biome-ignore lint/suspicious/noExplicitAny: the shapes of the SDK.
  const list = async (): Promise<any[]> => (await sandbox.call('elbv2', 'DescribeRules', { ListenerArn: listener })).Rules;
  return {
    listener,
    loadBalancer,
    port: Listeners[0].Port,
    targetGroup: async (group) => {
      const wanted = { Name: `${name}-${group}`, Protocol: 'HTTP', Port: 80, VpcId: vpc, TargetType: 'ip' };
      return (await sandbox.call('elbv2', 'CreateTargetGroup', wanted)).TargetGroups[0].TargetGroupArn;
    },
    rules: async () =>
      (await list())
        .filter(({ Priority }) => Priority !== 'default')
        .map(({ Priority, Conditions }) => [Priority, ...Conditions.map(conditionText)].join(' ')),
    move: async (from, to) => {
      const rule = (await list()).find(({ Priority }) => Priority === String(from));
      await sandbox.call('elbv2', 'SetRulePriorities', { RulePriorities: [{ RuleArn: rule.RuleArn, Priority: to }] });
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: the shapes of the SDK.
function conditionText({ Field, PathPatternConfig, HostHeaderConfig, HttpHeaderConfig }: any): string {
  if (Field === 'http-header') return `${HttpHeaderConfig.HttpHeaderName}=${HttpHeaderConfig.Values.join()}`;
  return (PathPatternConfig ?? HostHeaderConfig).Values.join();
}
