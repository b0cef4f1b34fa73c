/**
 * Observer of our own: plain HTTP to the sandbox and a plain PostgreSQL client. Nothing here is shared with the toolkit, so
 * that a mistake of the toolkit cannot hide itself (packages/rehearsal/test/soak/independent.test.ts keeps it so).
 */
import { Client } from 'pg';

/** An XML element as an object: repeated `member` elements are a list, leaves are strings. */
export type Xml = string | Xml[] | { readonly [name: string]: Xml };

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Instance {
  readonly id: string;
  readonly status: string;
  readonly address: Address | undefined;
}

export interface Rule {
  readonly priority: number;
  /** Patterns of the path; undefined: any path. */
  readonly paths: readonly string[] | undefined;
  /** It asks for more than a path: a visitor without special headers never meets it. */
  readonly special: boolean;
  /** The ARN of the target group it forwards to; undefined: it answers by itself. */
  readonly group: string | undefined;
}

export interface ColorFacts {
  readonly user: string;
  readonly secret: string;
  /** Of the user that can only read. */
  readonly readerSecret: string;
  readonly stack: string;
  readonly release: string;
  readonly groups: readonly string[];
  /** Family of the task that migrates. */
  readonly migration: string;
  readonly applications: readonly { readonly service: string; readonly proofPath: string; readonly open: boolean }[];
  readonly workers: readonly { readonly name: string; readonly service: string; readonly once: boolean; readonly count: number }[];
}

/** What the stacks have written down, read as plain JSON. */
export interface Facts {
  readonly blue: ColorFacts | undefined;
  readonly green: ColorFacts | undefined;
  readonly cluster: string;
  readonly listener: string;
  readonly database: string;
  readonly masterSecret: string;
  readonly scheduleGroup: string;
  readonly runner: string;
  readonly production: string;
  readonly window: string | undefined;
}

export interface Login {
  readonly username: string;
  readonly password: string;
  readonly host?: string;
  readonly port?: number;
}

/** Of a command that talks to the sandbox: it says where that is, and has its key. */
export type Env = Readonly<Record<string, string | undefined>>;

type Json = Record<string, unknown>;

export class Observer {
  private readonly clients = new Map<string, Client>();
  private readonly ended = new Set<string>();

  constructor(
    private readonly env: Env,
    private readonly system: string,
  ) {}

  async facts(): Promise<Facts> {
    const parts = ['shared', 'state', 'blue', 'green'].map((part) => `/switchback/${this.system}/${part}`);
    const { Parameters: found } = await this.json('ssm', 'AmazonSSM.GetParameters', '1.1', { Names: parts });
    const [shared, state, blue, green] = parts.map((name) => {
      const value = (found as { Name: string; Value: string }[]).find(({ Name }) => Name === name)?.Value;
      return value === undefined ? undefined : (JSON.parse(value) as Json);
    });
    if (!shared || !state) throw new Error(`there is no system ${this.system}`);
    const database = shared['database'] as { name: string; masterSecret: string };
    return {
      blue: colorOf(blue),
      green: colorOf(green),
      cluster: String(shared['cluster']),
      listener: (shared['listeners'] as { arn: string }[])[0]?.arn ?? '',
      database: database.name,
      masterSecret: database.masterSecret,
      scheduleGroup: (shared['schedule'] as { group: string }).group,
      runner: String(shared['runner']),
      production: String(state['production']),
      window: state['window'] as string | undefined,
    };
  }

  /** Rules of a listener, first asked first. */
  async rules(listener: string): Promise<Rule[]> {
    const answer = await this.query('elasticloadbalancing', '2015-12-01', 'DescribeRules', { ListenerArn: listener, PageSize: '400' });
    return list(at(answer, 'Rules'))
      .map(ruleOf)
      .sort((a, b) => a.priority - b.priority);
  }

  async listenerPort(listener: string): Promise<number> {
    const answer = await this.query('elasticloadbalancing', '2015-12-01', 'DescribeListeners', { 'ListenerArns.member.1': listener });
    return Number(text(at(list(at(answer, 'Listeners'))[0] ?? {}, 'Port')));
  }

  async instances(): Promise<Instance[]> {
    const answer = await this.query('rds', '2014-10-31', 'DescribeDBInstances', {});
    return list(at(answer, 'DBInstances')).map((one) => {
      const endpoint = at(one, 'Endpoint');
      const port = Number(text(at(endpoint, 'Port')));
      return {
        id: text(at(one, 'DBInstanceIdentifier')),
        status: text(at(one, 'DBInstanceStatus')),
        address: port > 0 ? { host: text(at(endpoint, 'Address')), port } : undefined,
      };
    });
  }

  async snapshots(): Promise<{ readonly id: string; readonly instance: string; readonly status: string }[]> {
    const answer = await this.query('rds', '2014-10-31', 'DescribeDBSnapshots', { SnapshotType: 'manual' });
    return list(at(answer, 'DBSnapshots')).map((one) => ({
      id: text(at(one, 'DBSnapshotIdentifier')),
      instance: text(at(one, 'DBInstanceIdentifier')),
      status: text(at(one, 'Status')),
    }));
  }

  /** The status of a stack; undefined when there is none of that name. */
  async stack(name: string): Promise<string | undefined> {
    const answer = await this.query('cloudformation', '2010-05-15', 'ListStacks', {});
    const found = list(at(answer, 'StackSummaries')).find(
      (one) => text(at(one, 'StackName')) === name && text(at(one, 'StackStatus')) !== 'DELETE_COMPLETE',
    );
    return found && text(at(found, 'StackStatus'));
  }

  async secret(id: string): Promise<Login> {
    const { SecretString: value } = await this.json('secretsmanager', 'secretsmanager.GetSecretValue', '1.1', { SecretId: id });
    return JSON.parse(String(value)) as Login;
  }

  async schedules(group: string): Promise<string[]> {
    const answer = await this.send('scheduler', `/schedules?ScheduleGroup=${encodeURIComponent(group)}`, { method: 'GET' });
    return ((JSON.parse(answer) as { Schedules?: { Name: string }[] }).Schedules ?? []).map(({ Name }) => Name);
  }

  /** Every task of the cluster that has not ended, by its service: `RUNNING`, `STOPPING`, … */
  async tasks(cluster: string): Promise<{ readonly service: string; readonly id: string; readonly status: string }[]> {
    const listed = await Promise.all(
      ['RUNNING', 'STOPPED'].map((desiredStatus) => this.ecs('ListTasks', { cluster, desiredStatus }) as Promise<{ taskArns?: string[] }>),
    );
    // what has ended does not begin again: not asked for twice.
    const arns = listed.flatMap(({ taskArns }) => taskArns ?? []).filter((arn) => !this.ended.has(arn));
    if (arns.length === 0) return [];
    const { tasks } = (await this.ecs('DescribeTasks', { cluster, tasks: arns.slice(0, 100) })) as {
      tasks: { taskArn: string; lastStatus: string; group: string }[];
    };
    for (const { taskArn, lastStatus } of tasks) if (lastStatus === 'STOPPED') this.ended.add(taskArn);
    return tasks
      .filter(({ lastStatus }) => lastStatus !== 'STOPPED')
      .map(({ taskArn, lastStatus, group }) => ({
        ...{ service: group.replace(/^service:/, ''), id: taskArn.split('/').at(-1)?.slice(0, 8) ?? '', status: lastStatus },
      }));
  }

  async service(cluster: string, service: string): Promise<{ readonly wanted: number; readonly running: number } | undefined> {
    const { services } = await this.ecs('DescribeServices', { cluster, services: [service] });
    const [one] = services as { status: string; desiredCount: number; runningCount: number }[];
    return one && one.status === 'ACTIVE' ? { wanted: one.desiredCount, running: one.runningCount } : undefined;
  }

  /**
   * As the reader, on a connection that stays: no fence can be proven while somebody is there whom no grant binds.
   * Throws when the server is gone.
   */
  async sql<Row>(instance: string, address: Address, facts: Pick<Facts, 'blue' | 'green' | 'database'>, statement: string): Promise<Row[]> {
    const key = `${instance} ${address.port}`;
    let client = this.clients.get(key);
    try {
      if (!client) {
        const { username, password } = await this.secret((facts.blue ?? facts.green)?.readerSecret ?? '');
        client = new Client({
          ...address,
          user: username,
          password,
          database: facts.database,
          connectionTimeoutMillis: 3000,
          query_timeout: 5000,
        });
        client.on('error', () => undefined);
        await client.connect();
        this.clients.set(key, client);
      }
      return (await client.query(statement)).rows as Row[];
    } catch (error) {
      this.clients.delete(key);
      await client?.end().catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.clients.values()].map((client) => client.end().catch(() => undefined)));
    this.clients.clear();
  }

  private ecs(operation: string, input: Json): Promise<Json> {
    return this.json('ecs', `AmazonEC2ContainerServiceV20141113.${operation}`, '1.1', input);
  }

  private async json(service: string, target: string, version: string, input: Json): Promise<Json> {
    const headers = { 'content-type': `application/x-amz-json-${version}`, 'x-amz-target': target };
    return JSON.parse(await this.send(service, '/', { method: 'POST', headers, body: JSON.stringify(input) })) as Json;
  }

  /** Answers what is inside `<…Result>`. */
  private async query(service: string, version: string, action: string, input: Record<string, string>): Promise<Xml> {
    const body = new URLSearchParams({ Action: action, Version: version, ...input }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = parseXml(await this.send(service, '/', { method: 'POST', headers, body }));
    return at(at(answer, `${action}Response`), `${action}Result`);
  }

  private async send(service: string, path: string, init: RequestInit): Promise<string> {
    const authorization = `AWS4-HMAC-SHA256 Credential=${this.env['AWS_ACCESS_KEY_ID']}/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization };
    const answer = await fetch(`${this.env['AWS_ENDPOINT_URL']}${path}`, { ...init, headers, signal: AbortSignal.timeout(10_000) });
    const body = await answer.text();
    if (!answer.ok) throw new Error(`${service} ${path}: ${answer.status} ${body.slice(0, 300)}`);
    return body;
  }
}

function colorOf(given: unknown): ColorFacts | undefined {
  if (given === undefined) return undefined;
  const part = given as {
    stack: string;
    release: { version: string };
    database: { user: string; secret: string; openSecret: string };
    applications: { service: string; targetGroup: string; proofPath: string; open: boolean }[];
    workers: { name: string; service: string; once: boolean; count: number }[];
    migration: { taskDefinition: string };
  };
  return {
    user: part.database.user,
    secret: part.database.secret,
    readerSecret: part.database.openSecret,
    stack: part.stack,
    release: part.release.version,
    groups: part.applications.map(({ targetGroup }) => targetGroup),
    migration: part.migration.taskDefinition.split('/').at(-1)?.split(':')[0] ?? '',
    applications: part.applications,
    workers: part.workers,
  };
}

function ruleOf(rule: Xml): Rule {
  const conditions = list(at(rule, 'Conditions'));
  const path = conditions.find((one) => text(at(one, 'Field')) === 'path-pattern');
  const patterns =
    path === undefined ? undefined : [...list(at(path, 'Values')), ...list(at(at(path, 'PathPatternConfig'), 'Values'))].map(text);
  const action = list(at(rule, 'Actions')).at(-1) ?? {};
  const priority = text(at(rule, 'Priority'));
  const forward = text(at(action, 'Type')) === 'forward';
  const group =
    text(at(action, 'TargetGroupArn')) || text(at(list(at(at(action, 'ForwardConfig'), 'TargetGroups'))[0] ?? {}, 'TargetGroupArn'));
  return {
    priority: priority === 'default' ? Number.POSITIVE_INFINITY : Number(priority),
    paths: patterns,
    special: conditions.some((one) => text(at(one, 'Field')) !== 'path-pattern'),
    group: forward ? group : undefined,
  };
}

/** Enough of XML for AWS's answers: elements and text, no attributes. */
export function parseXml(source: string): Xml {
  const parts = source.replace(/<\?[^>]*\?>/g, '').match(/<[^>]+>|[^<]+/g) ?? [];
  let next = 0;
  function children(): Xml {
    const found: [string, Xml][] = [];
    let words = '';
    for (; next < parts.length; next += 1) {
      const part = parts[next] ?? '';
      if (part.startsWith('</')) break;
      if (!part.startsWith('<')) {
        words += part;
        continue;
      }
      const name = /^<([^\s/>]+)/.exec(part)?.[1] ?? '';
      if (part.endsWith('/>')) {
        found.push([name, '']);
        continue;
      }
      next += 1;
      found.push([name, children()]);
    }
    if (found.length === 0)
      return words
        .trim()
        .replace(/&lt;/g, '<')
        .replace(/&gt;/g, '>')
        .replace(/&quot;/g, '"')
        .replace(/&#39;|&apos;/g, "'")
        .replace(/&amp;/g, '&');
    // a list is what repeats one element, also once: `member`, or the kind's own name.
    const names = new Set(found.map(([name]) => name));
    return names.size === 1 && (names.has('member') || found.length > 1) ? found.map(([, value]) => value) : Object.fromEntries(found);
  }
  return children();
}

const at = (value: Xml, name: string): Xml => (typeof value === 'object' && !Array.isArray(value) ? (value[name] ?? '') : '');
const text = (value: Xml): string => (typeof value === 'string' ? value : '');
/** A list of one is an object with one element where the element has a name of its own (`DBInstance`). */
const list = (value: Xml): Xml[] => {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return [];
  const inside = Object.values(value);
  return inside.length === 1 ? inside : [];
};
