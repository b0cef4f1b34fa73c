/** Faults by seed: what AWS and the network do wrong on a bad night. Off unless asked for (docs/sandbox/faults.md). */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SandboxError } from './lock';
import { AwsError, type Sandbox, type ServiceName } from './service';
import { crashInstance } from './services/rds';
import { SERVICES } from './wire/model';

const kinds = ['throttle', 'error', 'refuse', 'lost', 'slow', 'crash', 'flap'] as const;

const ruleSchema = z
  .strictObject({
    service: z.enum(Object.keys(SERVICES) as [ServiceName, ...ServiceName[]]),
    /** As the API spells it, `SetRulePriorities`; `*` for every call that changes something. */
    operation: z.string().min(1),
    kind: z.enum(kinds),
    /** The next so many calls. */
    times: z.int().positive().optional(),
    /** Each call with this probability, by the seed. */
    rate: z.number().gt(0).max(1).optional(),
    /** AWS seconds of `slow` and `flap`. */
    seconds: z.number().positive().default(20),
    /** crash: an instance; flap: the ARN of a target group. */
    target: z.string().optional(),
    /** Also calls that the CDK CLI makes. */
    cdk: z.boolean().default(false),
  })
  .refine(({ times, rate }) => times === undefined || rate === undefined, 'a rule has times or a rate, not both')
  .refine(({ kind, target }) => !['crash', 'flap'].includes(kind) || target !== undefined, 'crash and flap need a target');

const requestSchema = z.strictObject({ seed: z.string().min(1).optional(), rules: z.array(ruleSchema) });

export type FaultRule = z.infer<typeof ruleSchema>;

/** Where faults are looked at, replaced (POST) and ended (DELETE): no bucket can have this name. */
export const FAULTS_PATH = '/_sandbox/faults';

const READS = /^(Describe|List|Get|Head|Filter)/;

interface Call {
  readonly service: ServiceName;
  readonly operation: string;
  /** Of the client, as its user agent says it. */
  readonly cdk: boolean;
}

export class Faults {
  private seed = '1';
  private rules: { readonly rule: FaultRule; seen: number; injected: number }[] = [];

  constructor(
    /** Asked for late: the services are made after the server. */
    private readonly sandbox: () => Sandbox,
  ) {}

  /** Replaces all rules and begins the seed anew. Throws SandboxError for what is no rule. */
  set(given: unknown): void {
    const parsed = requestSchema.safeParse(given);
    if (!parsed.success) {
      const what = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`).join('; ');
      throw new SandboxError(`these are no faults: ${what}. docs/sandbox/faults.md has examples.`);
    }
    this.seed = parsed.data.seed ?? this.seed;
    this.rules = parsed.data.rules.map((rule) => ({ rule, seen: 0, injected: 0 }));
  }

  state() {
    return { seed: this.seed, rules: this.rules.map(({ rule, seen, injected }) => ({ ...rule, seen, injected })) };
  }

  /** One call from the wire. `lose` makes the server reset the connection instead of answering. */
  async around<T>(call: Call, perform: () => Promise<T>, lose: () => void): Promise<T> {
    // every rule counts, so that one fault does not shift the decisions of another.
    const chosen = this.rules.filter((each) => this.decide(each, call)).map(({ rule }) => rule);
    const [rule] = chosen;
    if (!rule) return perform();
    const sandbox = this.sandbox();
    sandbox.log(`fault: ${rule.kind} ${call.service} ${call.operation}`);
    switch (rule.kind) {
      case 'throttle':
        throw throttled(call.service);
      case 'error':
        throw new AwsError(call.service === 's3' ? 'InternalError' : 'InternalFailure', 'An internal error occurred (a fault).', 500);
      case 'refuse':
        throw new AwsError(call.service === 's3' ? 'AccessDenied' : 'AccessDeniedException', 'Access Denied (a fault)', 403);
      case 'slow': {
        const answer = await perform();
        await sandbox.pause(rule.seconds);
        return answer;
      }
      case 'lost': {
        const answer = await perform();
        lose();
        return answer;
      }
      default:
        await strike(sandbox, rule, rule.target ?? '');
        return perform();
    }
  }

  private decide(each: { readonly rule: FaultRule; seen: number; injected: number }, call: Call): boolean {
    const { rule } = each;
    const matches = rule.operation === '*' ? !READS.test(call.operation) : rule.operation === call.operation;
    if (rule.service !== call.service || !matches || (call.cdk && !rule.cdk)) return false;
    each.seen += 1;
    const hit = rule.rate === undefined ? each.seen <= (rule.times ?? 1) : this.chance(rule, each.seen) < rule.rate;
    if (hit) each.injected += 1;
    return hit;
  }

  /** By the rule and the count of its calls, not by one stream of numbers: calls at the same time may come in any order. */
  private chance({ service, operation, kind }: FaultRule, nth: number): number {
    const hash = createHash('sha256').update([this.seed, service, operation, kind, nth].join('\n')).digest();
    return hash.readUInt32BE(0) / 2 ** 32;
  }
}

/** `--faults <seed>[:<rate>]`: load, errors, lost and slow answers for what Switchback changes. @default rate 0.05 */
export function faultsOf(text: string): { seed: string; rules: unknown[] } {
  const [seed = '', given = '0.05', ...more] = text.split(':');
  const rate = Number(given);
  if (seed === '' || given === '' || more.length > 0 || !(rate > 0 && rate <= 1))
    throw new SandboxError(`--faults ${text}: a seed, and a rate above 0 and at most 1 after a colon: --faults 42:0.05`);
  const services = ['elbv2', 'rds', 'ecs', 'ssm', 's3', 'scheduler', 'autoscaling'] as const;
  const kindsBySeed = ['throttle', 'error', 'lost', 'slow'] as const;
  // together they make up the rate.
  return {
    seed,
    rules: services.flatMap((service) => kindsBySeed.map((kind) => ({ service, operation: '*', kind, rate: rate / kindsBySeed.length }))),
  };
}

/** Each service says it in its own words. */
function throttled(service: ServiceName): AwsError {
  switch (service) {
    case 's3':
      return new AwsError('SlowDown', 'Please reduce your request rate.', 503);
    case 'rds':
    case 'cloudformation':
    case 'cloudwatch':
    case 'iam':
    case 'sts':
      return new AwsError('Throttling', 'Rate exceeded');
    case 'ec2':
      return new AwsError('RequestLimitExceeded', 'Request limit exceeded.', 503);
    case 'lambda':
      return new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429);
    case 'scheduler':
      return new AwsError('ThrottlingException', 'Rate exceeded', 429);
    default:
      return new AwsError('ThrottlingException', 'Rate exceeded');
  }
}

/** What happens to things, not to calls: just before the call that the rule names. */
async function strike(sandbox: Sandbox, { kind, seconds }: FaultRule, target: string): Promise<void> {
  if (kind === 'crash') return crashInstance(sandbox, target);
  const { TargetHealthDescriptions: targets } = (await sandbox.call('elbv2', 'DescribeTargetHealth', { TargetGroupArn: target })) as {
    TargetHealthDescriptions?: { Target: { Id: string; Port: number } }[];
  };
  const one = { TargetGroupArn: target, Targets: (targets ?? []).slice(0, 1).map(({ Target }) => Target) };
  if (one.Targets.length === 0) return;
  await sandbox.call('elbv2', 'DeregisterTargets', one);
  sandbox.after(seconds, () => sandbox.call('elbv2', 'RegisterTargets', one));
}
