/** CloudFormation's side of a custom resource: sends a request, and hears the answer at its response URL. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { eventually } from '../../../packages/sandbox/test/tiny';

export interface Heard {
  readonly Status: 'SUCCESS' | 'FAILED';
  readonly Reason?: string;
  readonly PhysicalResourceId: string;
  readonly Data: Record<string, string>;
}

type Handler = (event: CloudFormationCustomResourceEvent, context: Context) => Promise<void>;

export class CloudFormation {
  private readonly heard: Heard[] = [];
  /** How often the response URL refuses before it listens. */
  refusals = 0;

  private constructor(
    private readonly server: Server,
    private readonly handler: Handler,
  ) {}

  static async of(handler: Handler): Promise<CloudFormation> {
    // what a function logs.
    jest.spyOn(console, 'log').mockImplementation();
    const server = createServer();
    const made = new CloudFormation(server, handler);
    server.on('request', (request, response) => {
      let body = '';
      request.on('data', (piece) => {
        body += piece;
      });
      request.on('end', () => {
        const refused = made.refusals-- > 0;
        if (!refused && request.method === 'PUT') made.heard.push(JSON.parse(body));
        response.writeHead(refused ? 503 : 200).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return made;
  }

  create(properties: object): Promise<Heard> {
    return this.request({ RequestType: 'Create', ResourceProperties: properties });
  }

  update(physicalId: string, properties: object, old: object = properties): Promise<Heard> {
    return this.request({
      RequestType: 'Update',
      PhysicalResourceId: physicalId,
      ResourceProperties: properties,
      OldResourceProperties: old,
    });
  }

  delete(physicalId: string, properties: object): Promise<Heard> {
    return this.request({ RequestType: 'Delete', PhysicalResourceId: physicalId, ResourceProperties: properties });
  }

  private async request(more: { ResourceProperties: object } & Record<string, unknown>): Promise<Heard> {
    const before = this.heard.length;
    const event = {
      StackId: 'arn:aws:cloudformation:eu-central-1:111122223333:stack/shop-green/1',
      RequestId: `request-${before}`,
      LogicalResourceId: 'Resource',
      ResponseURL: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/answer`,
      ...more,
      ResourceProperties: asStrings(more.ResourceProperties),
    };
    await this.handler(event as never, { getRemainingTimeInMillis: () => 30_000 } as never);
    // a function that hands the event on has it answered by another.
    await eventually(() => this.heard.length > before);
    if (this.heard.length !== before + 1) throw new Error(`${this.heard.length - before} answers instead of one`);
    return this.heard.at(-1)!;
  }

  stop(): Promise<unknown> {
    return new Promise((resolve) => this.server.close(resolve));
  }
}

/** CloudFormation turns every scalar into a string. */
function asStrings(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asStrings);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, it]) => [key, asStrings(it)]));
  return String(value);
}
