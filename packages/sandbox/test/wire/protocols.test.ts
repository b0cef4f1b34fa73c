/** Real SDK clients on one side, the wire on the other, and between them only what was sent: nothing may change on the way. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CloudFormationClient, CreateChangeSetCommand } from '@aws-sdk/client-cloudformation';
import { CloudWatchClient, DescribeAlarmsCommand, GetMetricDataCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { CreateVpcCommand, DeleteVpcCommand, DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { DescribeServicesCommand, ECSClient, RunTaskCommand } from '@aws-sdk/client-ecs';
import { InvokeCommand, LambdaClient, ListTagsCommand, TagResourceCommand, UntagResourceCommand } from '@aws-sdk/client-lambda';
import { AddTagsToResourceCommand, CreateDBInstanceCommand, DescribeDBInstancesCommand, RDSClient } from '@aws-sdk/client-rds';
import { CreateScheduleCommand, GetScheduleCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { SmithyRpcV2CborProtocol } from '@smithy/core/cbor';
import fc from 'fast-check';
import { environmentFor } from '../../lib/environment';
import { AwsError } from '../../lib/service';
import { answer } from '../../lib/wire';
import { readAll } from '../../lib/wire/body';
import { clientConfig } from '../_helpers/sandbox';

let server: Server;
let config: ReturnType<typeof clientConfig>;
let seen: { service: string; operation: string; input: unknown };
let contentType: string | undefined;
let reply: () => unknown;
beforeAll(async () => {
  server = createServer((request, response) => {
    void (async () => {
      const headers = request.headers as Record<string, string>;
      contentType = headers['content-type'];
      const raw = { method: request.method!, url: request.url!, headers, body: await readAll(request) };
      const answered = await answer(raw, 'request-1', async (service, operation, input) => {
        seen = { service, operation, input };
        return reply();
      });
      response.writeHead(answered.status, answered.headers).end(answered.body);
    })();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  config = clientConfig({
    env: environmentFor(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { accessKeyId: 'AKIAWIRE', secretAccessKey: 'wire' }),
  });
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((done) => server.close(done));
});
beforeEach(() => {
  reply = () => ({});
});

const date = new Date('2026-02-03T04:05:06Z');
const fails = (code: string, status = 400) => {
  reply = () => {
    throw new AwsError(code, 'because <of> "this" & that', status);
  };
};
const error = (name: string, status: number) => ({ name, message: 'because <of> "this" & that', $metadata: { httpStatusCode: status } });

describe('query', () => {
  test('lists, structures, numbers and booleans arrive; timestamps and nested lists come back', async () => {
    const rds = new RDSClient(config);
    const input = {
      DBInstanceIdentifier: 'db-1',
      DBInstanceClass: 'db.t3.micro',
      Engine: 'postgres',
      AllocatedStorage: 20,
      MultiAZ: false,
      VpcSecurityGroupIds: ['sg-1', 'sg-2'],
      Tags: [{ Key: 'a b', Value: 'ü&=' }],
    };
    const instance = {
      DBInstanceIdentifier: 'db-1',
      InstanceCreateTime: date,
      MultiAZ: false,
      AllocatedStorage: 20,
      Endpoint: { Port: 5432 },
      TagList: input.Tags,
    };
    reply = () => ({ DBInstance: instance });
    const created = await rds.send(new CreateDBInstanceCommand(input));
    expect(seen).toEqual({ service: 'rds', operation: 'CreateDBInstance', input });
    expect(created.DBInstance).toEqual(instance);
    reply = () => ({ DBInstances: [instance, instance], Marker: 'more' });
    const described = await rds.send(new DescribeDBInstancesCommand({ Filters: [{ Name: 'engine', Values: ['a', 'b'] }] }));
    expect(seen.input).toEqual({ Filters: [{ Name: 'engine', Values: ['a', 'b'] }] });
    expect(described).toMatchObject({ DBInstances: [instance, instance], Marker: 'more', $metadata: { requestId: 'request-1' } });
  });

  test('more than nine items stay in order, and empty lists are lists', async () => {
    const cloudformation = new CloudFormationClient(config);
    const Parameters = Array.from({ length: 12 }, (_, n) => ({ ParameterKey: `k${n}`, UsePreviousValue: n % 2 === 0 }));
    const input = { StackName: 's', ChangeSetName: 'c', Parameters, Capabilities: [] };
    await cloudformation.send(new CreateChangeSetCommand(input));
    expect(seen.input).toEqual(input);
  });

  test('an error has the code and status of AWS, whichever of its two names the service gives', async () => {
    const rds = new RDSClient(config);
    for (const code of ['DBInstanceNotFound', 'DBInstanceNotFoundFault']) {
      fails(code);
      await expect(rds.send(new DescribeDBInstancesCommand({}))).rejects.toMatchObject(error('DBInstanceNotFoundFault', 404));
    }
    fails('Throttling');
    await expect(rds.send(new DescribeDBInstancesCommand({}))).rejects.toMatchObject(error('Throttling', 400));
  });

  test('a form of another version of the API is not taken for this one', async () => {
    const form = new URLSearchParams({ Action: 'DescribeLoadBalancers', Version: '2012-06-01' });
    const headers = {
      authorization: 'AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/elasticloadbalancing/aws4_request, SignedHeaders=host',
    };
    const answered = await fetch(config.endpoint, { method: 'POST', body: form, headers });
    expect(answered.status).toBe(400);
    expect(await answered.text()).toContain('<Code>NotServedBySandbox</Code>');
  });
});

describe('EC2 query', () => {
  test('flattened lists arrive and sets come back', async () => {
    const ec2 = new EC2Client(config);
    const input = { VpcIds: ['vpc-1', 'vpc-2'], Filters: [{ Name: 'tag:a', Values: ['1', '2'] }], MaxResults: 5 };
    const vpc = {
      VpcId: 'vpc-1',
      IsDefault: false,
      Tags: [{ Key: 'a', Value: '1' }],
      CidrBlockAssociationSet: [{ CidrBlockState: { State: 'associated' } }],
    };
    reply = () => ({ Vpcs: [vpc] });
    const described = await ec2.send(new DescribeVpcsCommand(input));
    expect(seen.input).toEqual(input);
    expect(described.Vpcs).toEqual([vpc]);
    const create = { CidrBlock: '10.0.0.0/16', TagSpecifications: [{ ResourceType: 'vpc' as const, Tags: [{ Key: 'k', Value: 'v' }] }] };
    await ec2.send(new CreateVpcCommand(create));
    expect(seen.input).toEqual(create);
    reply = () => undefined;
    await ec2.send(new DeleteVpcCommand({ VpcId: 'vpc-1' }));
    fails('InvalidVpcID.NotFound');
    await expect(ec2.send(new DeleteVpcCommand({ VpcId: 'vpc-1' }))).rejects.toMatchObject(error('InvalidVpcID.NotFound', 400));
  });
});

describe('JSON', () => {
  test('maps, nested lists and timestamps survive both ways', async () => {
    const ecs = new ECSClient(config);
    const input = {
      taskDefinition: 'migrate:1',
      clientToken: 't',
      overrides: { containerOverrides: [{ name: 'a', environment: [{ name: 'X', value: '' }] }] },
    };
    await ecs.send(new RunTaskCommand(input));
    expect(seen).toEqual({ service: 'ecs', operation: 'RunTask', input });
    const service = { serviceName: 's', createdAt: date, desiredCount: 0, deployments: [{ id: 'd', updatedAt: date }] };
    reply = () => ({ services: [service] });
    expect((await ecs.send(new DescribeServicesCommand({ services: ['s'] }))).services).toEqual([service]);
    fails('ServiceNotFoundException');
    await expect(ecs.send(new DescribeServicesCommand({ services: ['s'] }))).rejects.toMatchObject(error('ServiceNotFoundException', 400));
    fails('ServerException');
    await expect(new ECSClient({ ...config, maxAttempts: 1 }).send(new DescribeServicesCommand({ services: ['s'] }))).rejects.toMatchObject(
      error('ServerException', 500),
    );
  });

  test.each([
    ['JSON', {}, 'application/x-amz-json-1.0'],
    ['CBOR', { protocol: SmithyRpcV2CborProtocol }, 'application/cbor'],
  ])('CloudWatch is served in %s', async (_, protocol, type) => {
    const cloudwatch = new CloudWatchClient({ ...config, ...protocol } as never) as CloudWatchClient;
    const input = { StartTime: date, EndTime: date, MetricDataQueries: [{ Id: 'lag', ReturnData: true }] };
    reply = () => ({ MetricDataResults: [{ Id: 'lag', Timestamps: [date], Values: [0.5, 3] }] });
    const data = await cloudwatch.send(new GetMetricDataCommand(input));
    expect(seen).toEqual({ service: 'cloudwatch', operation: 'GetMetricData', input });
    expect(contentType).toBe(type);
    expect(data.MetricDataResults).toEqual([{ Id: 'lag', Timestamps: [date], Values: [0.5, 3] }]);
    fails('ResourceNotFound');
    await expect(cloudwatch.send(new DescribeAlarmsCommand({}))).rejects.toMatchObject(error('ResourceNotFound', 404));
  });

  test('CloudWatch is served as a query too, to older clients', async () => {
    const form = new URLSearchParams({ Action: 'DescribeAlarms', Version: '2010-08-01', 'AlarmNames.member.1': 'a', MaxRecords: '5' });
    const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/monitoring/aws4_request, SignedHeaders=host' };
    reply = () => ({ MetricAlarms: [{ AlarmName: 'a' }] });
    const answered = await fetch(config.endpoint, { method: 'POST', body: form, headers });
    expect(seen.input).toEqual({ AlarmNames: ['a'], MaxRecords: 5 });
    expect(await answered.text()).toContain(
      '<DescribeAlarmsResult><MetricAlarms><member><AlarmName>a</AlarmName></member></MetricAlarms></DescribeAlarmsResult>',
    );
  });

  test('a large request that the client compressed is read', async () => {
    const MetricData = Array.from({ length: 500 }, (_, n) => ({ MetricName: `metric-${n}`, Value: n }));
    await new CloudWatchClient(config).send(new PutMetricDataCommand({ Namespace: 'x', MetricData }));
    expect(seen.input).toEqual({ Namespace: 'x', MetricData });
  });
});

describe('REST JSON', () => {
  const arn = 'arn:aws:lambda:eu-central-1:111122223333:function:runner';

  test('labels, headers, queries and payloads find their members', async () => {
    const lambda = new LambdaClient(config);
    const payload = Buffer.from('{"verb":"cutover"}');
    reply = () => ({ StatusCode: 202, FunctionError: 'Unhandled', Payload: payload, ExecutedVersion: '$LATEST' });
    const invoked = await lambda.send(
      new InvokeCommand({ FunctionName: arn, InvocationType: 'Event', Qualifier: 'live', Payload: payload }),
    );
    expect(seen).toMatchObject({
      service: 'lambda',
      operation: 'Invoke',
      input: { FunctionName: arn, InvocationType: 'Event', Qualifier: 'live' },
    });
    expect((seen.input as { Payload: Buffer }).Payload.toString()).toBe(payload.toString());
    expect(invoked).toMatchObject({ StatusCode: 202, FunctionError: 'Unhandled', ExecutedVersion: '$LATEST' });
    expect(invoked.Payload?.transformToString()).toBe(payload.toString());
    await lambda.send(new TagResourceCommand({ Resource: arn, Tags: { a: 'b' } }));
    expect(seen.input).toEqual({ Resource: arn, Tags: { a: 'b' } });
    await lambda.send(new UntagResourceCommand({ Resource: arn, TagKeys: ['a', 'b'] }));
    expect(seen.input).toEqual({ Resource: arn, TagKeys: ['a', 'b'] });
    fails('ResourceNotFoundException');
    await expect(lambda.send(new ListTagsCommand({ Resource: arn }))).rejects.toMatchObject(error('ResourceNotFoundException', 404));
  });

  test('a schedule comes back as it went', async () => {
    const scheduler = new SchedulerClient(config);
    const schedule = {
      Name: 'teardown-w1',
      ScheduleExpression: 'rate(5 minutes)',
      FlexibleTimeWindow: { Mode: 'OFF' as const },
      Target: { Arn: arn, RoleArn: 'arn:aws:iam::111122223333:role/r', RetryPolicy: { MaximumRetryAttempts: 0 } },
      StartDate: date,
      ClientToken: 't',
    };
    await scheduler.send(new CreateScheduleCommand(schedule));
    expect(seen.input).toEqual(schedule);
    const { ClientToken: _, ...answered } = schedule;
    reply = () => answered;
    expect(await scheduler.send(new GetScheduleCommand({ Name: 'teardown-w1' }))).toMatchObject(answered);
  });
});

test('a service nobody serves is refused in the dialect of its client, once', async () => {
  const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=A/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host' };
  const json = await fetch(config.endpoint, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.ListKeys' },
    body: '{}',
  });
  expect(json.status).toBe(400);
  expect(await json.json()).toMatchObject({
    __type: 'NotServedBySandbox',
    message: expect.stringContaining('TrentService.ListKeys of kms'),
  });
});

test('any text survives in any protocol', async () => {
  // XML cannot carry control characters, nor halves of surrogate pairs.
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => !/\p{C}/u.test(value) && value.trim() === value);
  const [rds, ec2, ecs] = [new RDSClient(config), new EC2Client(config), new ECSClient(config)];
  await fc.assert(
    fc.asyncProperty(text, text, async (Key, Value) => {
      await rds.send(new AddTagsToResourceCommand({ ResourceName: 'r', Tags: [{ Key, Value }] }));
      expect(seen.input).toEqual({ ResourceName: 'r', Tags: [{ Key, Value }] });
      reply = () => ({
        Vpcs: [{ Tags: [{ Key, Value }] }],
        DBInstances: [{ TagList: [{ Key, Value }] }],
        services: [{ tags: [{ key: Key, value: Value }] }],
      });
      expect((await ec2.send(new DescribeVpcsCommand({}))).Vpcs?.[0]?.Tags).toEqual([{ Key, Value }]);
      expect((await rds.send(new DescribeDBInstancesCommand({}))).DBInstances?.[0]?.TagList).toEqual([{ Key, Value }]);
      expect((await ecs.send(new DescribeServicesCommand({ services: [] }))).services?.[0]?.tags).toEqual([{ key: Key, value: Value }]);
    }),
    { numRuns: 30 },
  );
});
