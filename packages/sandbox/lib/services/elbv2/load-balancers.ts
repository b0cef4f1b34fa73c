/** Load balancers: their operations. One is a set of listeners on this machine, reached as `localhost`. */
import type * as Sdk from '@aws-sdk/client-elastic-load-balancing-v2';
import { AwsError } from '../../service';
import type { Elbv2 } from './elbv2';
import { deleteListenerRow } from './listeners';
import { attributeList, chosen, type LoadBalancerRow, loadBalancerOf, page, setAttributes } from './tables';

/** AWS seconds from `provisioning` to `active`. */
const provisioning = 120;

const defaults = {
  'access_logs.s3.enabled': 'false',
  'access_logs.s3.bucket': '',
  'access_logs.s3.prefix': '',
  'connection_logs.s3.enabled': 'false',
  'connection_logs.s3.bucket': '',
  'connection_logs.s3.prefix': '',
  'client_keep_alive.seconds': '3600',
  'deletion_protection.enabled': 'false',
  'idle_timeout.timeout_seconds': '60',
  'load_balancing.cross_zone.enabled': 'true',
  'routing.http.desync_mitigation_mode': 'defensive',
  'routing.http.drop_invalid_header_fields.enabled': 'false',
  'routing.http.preserve_host_header.enabled': 'false',
  'routing.http.x_amzn_tls_version_and_cipher_suite.enabled': 'false',
  'routing.http.xff_client_port.enabled': 'false',
  'routing.http.xff_header_processing.mode': 'append',
  'routing.http2.enabled': 'true',
  'waf.fail_open.enabled': 'false',
  'zonal_shift.config.enabled': 'false',
};

const show = (row: LoadBalancerRow): Sdk.LoadBalancer => ({
  ...row.loadBalancer,
  State: { Code: Date.now() >= row.activeAt ? 'active' : 'provisioning' },
});

export const loadBalancerHandlers = (elbv2: Elbv2) => ({
  async CreateLoadBalancer(input: Sdk.CreateLoadBalancerInput): Promise<Sdk.CreateLoadBalancerOutput> {
    const name = input.Name ?? '';
    if (!/^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$/.test(name) || name.startsWith('internal-')) {
      throw new AwsError(
        'ValidationError',
        `The load balancer name '${name}' must have 1 to 32 letters, digits and hyphens, and not begin or end with a hyphen or begin with 'internal-'`,
      );
    }
    if ((input.Type ?? 'application') !== 'application') {
      throw new AwsError('ValidationError', `Load balancers of type '${input.Type}' are not served by the sandbox, only 'application'`);
    }
    const known = elbv2.loadBalancers.values().find((row) => row.loadBalancer.LoadBalancerName === name);
    if (known) {
      const same = (known.loadBalancer.Scheme ?? '') === (input.Scheme ?? 'internet-facing');
      if (!same)
        throw new AwsError('DuplicateLoadBalancerName', `A load balancer with the same name '${name}' exists, but with different settings`);
      return { LoadBalancers: [show(known)] };
    }
    const { zones, vpc } = await placeOf(elbv2, input.Subnets ?? input.SubnetMappings?.map((mapping) => mapping.SubnetId ?? '') ?? []);
    const arn = elbv2.sandbox.arn('elasticloadbalancing', `loadbalancer/app/${name}/${elbv2.sandbox.id(16)}`);
    const row = elbv2.loadBalancers.set(arn, {
      arn,
      loadBalancer: {
        LoadBalancerArn: arn,
        LoadBalancerName: name,
        DNSName: 'localhost',
        CanonicalHostedZoneId: 'Z35SXDOTRQ7X7K',
        CreatedTime: new Date(),
        Scheme: input.Scheme ?? 'internet-facing',
        VpcId: vpc,
        Type: 'application',
        AvailabilityZones: zones,
        SecurityGroups: input.SecurityGroups ?? [],
        IpAddressType: input.IpAddressType ?? 'ipv4',
      },
      activeAt: Date.now() + (provisioning * 1000) / elbv2.sandbox.speed,
      attributes: { ...defaults },
      tags: input.Tags ?? [],
    });
    return { LoadBalancers: [show(row)] };
  },

  DescribeLoadBalancers(input: Sdk.DescribeLoadBalancersInput): Sdk.DescribeLoadBalancersOutput {
    const missing = (name: string): AwsError => new AwsError('LoadBalancerNotFound', `Load balancers '[${name}]' not found`);
    const all = elbv2.loadBalancers.values();
    const rows = input.Names?.length
      ? chosen(all, input.Names, (row) => row.loadBalancer.LoadBalancerName, missing)
      : chosen(all, input.LoadBalancerArns, (row) => row.arn, missing);
    const { rows: shown, ...next } = page(rows, input);
    return { LoadBalancers: shown.map(show), ...next };
  },

  DeleteLoadBalancer(input: Sdk.DeleteLoadBalancerInput): Sdk.DeleteLoadBalancerOutput {
    const row = elbv2.loadBalancers.get(input.LoadBalancerArn ?? '');
    if (!row) return {}; // AWS: deleting what is gone succeeds.
    if (row.attributes['deletion_protection.enabled'] === 'true') {
      throw new AwsError('OperationNotPermitted', `Load balancer '${row.arn}' cannot be deleted because deletion protection is enabled`);
    }
    for (const listener of elbv2.listeners.values()) {
      if (listener.loadBalancerArn === row.arn) deleteListenerRow(elbv2, listener);
    }
    elbv2.loadBalancers.delete(row.arn);
    return {};
  },

  DescribeLoadBalancerAttributes(input: Sdk.DescribeLoadBalancerAttributesInput): Sdk.DescribeLoadBalancerAttributesOutput {
    return { Attributes: attributeList(loadBalancerOf(elbv2, input.LoadBalancerArn).attributes) };
  },

  ModifyLoadBalancerAttributes(input: Sdk.ModifyLoadBalancerAttributesInput): Sdk.ModifyLoadBalancerAttributesOutput {
    const row = loadBalancerOf(elbv2, input.LoadBalancerArn);
    const attributes = { ...row.attributes };
    setAttributes(attributes, input.Attributes);
    elbv2.loadBalancers.set(row.arn, { ...row, attributes });
    return { Attributes: attributeList(attributes) };
  },

  SetSecurityGroups(input: Sdk.SetSecurityGroupsInput): Sdk.SetSecurityGroupsOutput {
    const row = loadBalancerOf(elbv2, input.LoadBalancerArn);
    row.loadBalancer.SecurityGroups = input.SecurityGroups ?? [];
    elbv2.loadBalancers.set(row.arn, row);
    return { SecurityGroupIds: row.loadBalancer.SecurityGroups };
  },

  async SetSubnets(input: Sdk.SetSubnetsInput): Promise<Sdk.SetSubnetsOutput> {
    const row = loadBalancerOf(elbv2, input.LoadBalancerArn);
    const subnets = input.Subnets ?? input.SubnetMappings?.map((mapping) => mapping.SubnetId ?? '') ?? [];
    row.loadBalancer.AvailabilityZones = (await placeOf(elbv2, subnets)).zones;
    elbv2.loadBalancers.set(row.arn, row);
    return { AvailabilityZones: row.loadBalancer.AvailabilityZones };
  },

  SetIpAddressType(input: Sdk.SetIpAddressTypeInput): Sdk.SetIpAddressTypeOutput {
    const row = loadBalancerOf(elbv2, input.LoadBalancerArn);
    row.loadBalancer.IpAddressType = input.IpAddressType;
    elbv2.loadBalancers.set(row.arn, row);
    return { IpAddressType: input.IpAddressType };
  },
});

async function placeOf(elbv2: Elbv2, subnets: string[]): Promise<{ zones: Sdk.AvailabilityZone[]; vpc: string | undefined }> {
  if (subnets.length < 2)
    throw new AwsError(
      'ValidationError',
      `At least two subnets in two different Availability Zones must be specified, not ${subnets.length}`,
    );
  const found = await elbv2.sandbox.call('ec2', 'DescribeSubnets', { SubnetIds: subnets }).catch((error: unknown) => {
    if (error instanceof AwsError && error.code.startsWith('InvalidSubnet')) throw new AwsError('SubnetNotFound', error.message);
    throw error;
  });
  const zones = (found.Subnets ?? []).map((subnet: { SubnetId: string; AvailabilityZone: string }) => ({
    ZoneName: subnet.AvailabilityZone,
    SubnetId: subnet.SubnetId,
    LoadBalancerAddresses: [],
  }));
  return { zones, vpc: found.Subnets?.[0]?.VpcId };
}
