/** What the tests of the load balancer share: a sandbox with one load balancer, and targets that are real servers. */
import { createServer, type IncomingHttpHeaders, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Action, RuleCondition } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Sandbox, Service } from '../lib/service';
import { elbv2 } from '../lib/services/elbv2';
import { eventually, type TinySandbox, tinySandbox } from './tiny';

/** Just enough of EC2 for a load balancer to find its subnets. */
export const subnets = (sandbox: Sandbox): Service => ({
  client: 'client-ec2',
  handlers: {
    DescribeSubnets: (input: { SubnetIds: string[] }) => ({
      Subnets: input.SubnetIds.map((SubnetId, index) => ({
        SubnetId,
        VpcId: 'vpc-1',
        AvailabilityZone: `${sandbox.region}${'abc'[index]}`,
      })),
    }),
  },
});

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One GET (or other) over a connection of its own. Rejects when the connection breaks. */
export function ask(
  port: number,
  path = '/',
  options: { method?: string; headers?: Record<string, string>; body?: string; host?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: options.host ?? '127.0.0.1', port, path, method: options.method ?? 'GET', headers: options.headers ?? {}, agent: false },
      (answer) => {
        const pieces: Buffer[] = [];
        answer.on('data', (piece: Buffer) => pieces.push(piece));
        answer.on('error', reject);
        answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(pieces).toString() }));
      },
    );
    asked.on('error', reject);
    asked.end(options.body);
  });
}

export class Bench {
  loadBalancer = '';
  listener = '';
  port = 0;
  private readonly servers: Server[] = [];

  private constructor(readonly sandbox: TinySandbox) {}

  static async start(options: { speed?: number } = {}): Promise<Bench> {
    const bench = new Bench(await tinySandbox({ elbv2, ec2: subnets }, { speed: options.speed ?? 100 }));
    const made = await bench.call('CreateLoadBalancer', { Name: 'video', Subnets: ['subnet-1', 'subnet-2'] });
    bench.loadBalancer = made.LoadBalancers[0].LoadBalancerArn;
    const listener = await bench.call('CreateListener', {
      LoadBalancerArn: bench.loadBalancer,
      Protocol: 'HTTP',
      Port: 80,
      DefaultActions: [fixed('default', '404')],
    });
    bench.listener = listener.Listeners[0].ListenerArn;
    bench.port = listener.Listeners[0].Port;
    return bench;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation.
  call(operation: string, input: object): Promise<any> {
    return this.sandbox.call('elbv2', operation, input);
  }

  async group(name: string, more: object = {}): Promise<string> {
    const made = await this.call('CreateTargetGroup', {
      Name: name,
      TargetType: 'ip',
      Port: 80,
      Protocol: 'HTTP',
      HealthCheckPath: '/health',
      HealthCheckIntervalSeconds: 6,
      HealthyThresholdCount: 2,
      ...more,
    });
    return made.TargetGroups[0].TargetGroupArn;
  }

  async rule(priority: number, conditions: RuleCondition[], action: Action): Promise<string> {
    const made = await this.call('CreateRule', {
      ListenerArn: this.listener,
      Priority: priority,
      Conditions: conditions,
      Actions: [action],
    });
    return made.Rules[0].RuleArn;
  }

  /** Waits until a rule for every path answers in place of the default action: changes of rules are seen some time later only. */
  async landed(): Promise<void> {
    await eventually(async () => (await ask(this.port)).body !== 'default');
  }

  /** A real server; `/health` answers 200 unless the listener says otherwise. */
  async target(listener: RequestListener, port = 0): Promise<{ port: number; server: Server; stop: () => Promise<void> }> {
    const server = createServer((incoming, response) => {
      if (incoming.url === '/health') response.end('ok');
      else listener(incoming, response);
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    this.servers.push(server);
    const stop = (): Promise<void> =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    return { port: (server.address() as AddressInfo).port, server, stop };
  }

  register(group: string, port: number): Promise<unknown> {
    return this.call('RegisterTargets', { TargetGroupArn: group, Targets: [{ Id: '127.0.0.1', Port: port }] });
  }

  async health(group: string): Promise<{ State: string; Reason?: string }[]> {
    const answer = await this.call('DescribeTargetHealth', { TargetGroupArn: group });
    return answer.TargetHealthDescriptions.map((one: { TargetHealth: { State: string; Reason?: string } }) => one.TargetHealth);
  }

  async states(group: string): Promise<string> {
    return (await this.health(group)).map((health) => health.State).join(' ');
  }

  async stop(): Promise<void> {
    await this.sandbox.stop();
    for (const server of this.servers) {
      server.close();
      server.closeAllConnections();
    }
  }
}

export const path = (...values: string[]): RuleCondition => ({ Field: 'path-pattern', PathPatternConfig: { Values: values } });
export const fixed = (body: string, status = '200'): Action => ({
  Type: 'fixed-response',
  FixedResponseConfig: { StatusCode: status, ContentType: 'text/plain', MessageBody: body },
});
export const to = (group: string): Action => ({ Type: 'forward', TargetGroupArn: group });

/** A bare connection, for what a client library would hide. */
export function connect(port: number): Promise<{ socket: Socket; received: () => string }> {
  let text = '';
  const socket = new Socket();
  socket.on('data', (piece) => {
    text += piece.toString();
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(port, '127.0.0.1', () => resolve({ socket, received: () => text }));
  });
}
