/** Faults by seed: what AWS and the network do wrong on a bad night. Off unless asked for (docs/sandbox/faults.md). */
import { createHash } from 'node:crypto';
import { SandboxError } from '../lock';
import type { BegunOperation, Sandbox, Service } from '../service';
import type { ServiceName } from '../service-names';
import { isOperationFault, type OperationFaultKind } from './kinds';
import { denied, failed, throttled } from './refusals';
import { type FaultRule, rulesOf, type ThingFault, thingFaultOf } from './rules';

export { faultsOf } from './rules';

/** Where faults are looked at, replaced (POST) and ended (DELETE): no bucket can have this name. */
export const FAULTS_PATH = '/_sandbox/faults';
/** Where a fault of one thing happens at once (POST). */
export const FAULT_NOW_PATH = '/_sandbox/faults/now';

const READS = /^(Describe|List|Get|Head|Filter)/;

interface Call {
  readonly service: ServiceName;
  readonly operation: string;
  readonly input: unknown;
  /** Of the client, as its user agent says it. */
  readonly cdk: boolean;
}

interface Counted {
  readonly rule: FaultRule;
  seen: number;
  injected: number;
}

export class Faults {
  private seed = '1';
  private rules: Counted[] = [];

  constructor(
    /** Asked for late: they are made after the server. */
    private readonly sandbox: () => Sandbox,
    private readonly services: () => ReadonlyMap<ServiceName, Service>,
  ) {}

  /** Replaces all rules and begins the seed anew. Throws SandboxError for what is no rule. */
  set(given: unknown): void {
    const { seed, rules } = rulesOf(given);
    this.seed = seed ?? this.seed;
    this.rules = rules.map((rule) => ({ rule, seen: 0, injected: 0 }));
  }

  /** No rules, and what lasts of earlier faults ends. */
  async clear(): Promise<void> {
    this.rules = [];
    for (const service of this.services().values()) await service.clear?.();
  }

  state() {
    return { seed: this.seed, rules: this.rules.map(({ rule, seen, injected }) => ({ ...rule, seen, injected })) };
  }

  /** A fault of one thing, at once. Throws SandboxError for what is none, and the service's own error for a target that is not there. */
  async now(given: unknown): Promise<{ done: string }> {
    return { done: await this.perform(thingFaultOf(given)) };
  }

  /** One call from the wire. `lose` makes the server reset the connection instead of answering. */
  async around<T>(call: Call, perform: () => Promise<T>, lose: () => void): Promise<T> {
    // every rule counts, so that one fault does not shift the decisions of another.
    const [rule] = this.rules.filter((each) => this.meets(each.rule, call) && this.decide(each)).map(({ rule: each }) => each);
    if (!rule) return perform();
    const sandbox = this.sandbox();
    sandbox.log(`fault: ${rule.kind} ${call.service} ${call.operation}`);
    switch (rule.kind) {
      case 'throttle':
        throw throttled(call.service);
      case 'error':
        throw failed(call.service);
      case 'refuse':
        throw denied(call.service);
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
      case 'long':
      case 'ignores-sigterm':
        throw new Error(`${rule.kind} is asked for by what it is about`);
      default:
        await this.perform({ kind: rule.kind, target: rule.target ?? '', seconds: rule.seconds }).catch((error: unknown) =>
          sandbox.log(`fault: ${rule.kind} of ${rule.target} did nothing: ${error instanceof Error ? error.message : String(error)}`),
        );
        return perform();
    }
  }

  /** Asked by a service when it begins what `operation` is for: the factor of `long`, 1 of `ignores-sigterm`; undefined when all goes as usual. */
  ofOperation(kind: OperationFaultKind, { service, operation, names }: BegunOperation): number | undefined {
    const met = this.rules.filter(
      ({ rule }) =>
        rule.kind === kind &&
        rule.service === service &&
        (rule.operation === operation || rule.operation === '*') &&
        (rule.target === undefined || names.includes(rule.target)),
    );
    const [rule] = met.filter((each) => this.decide(each)).map(({ rule: each }) => each);
    if (!rule) return undefined;
    this.sandbox().log(`fault: ${kind} ${service} ${operation} of ${names.join(', ')}`);
    return kind === 'long' ? rule.factor : 1;
  }

  private async perform({ kind, target, seconds }: ThingFault): Promise<string> {
    for (const service of this.services().values()) {
      const fault = service.faults?.[kind];
      if (!fault) continue;
      const done = await fault(target, seconds);
      this.sandbox().log(`fault: ${done}`);
      return done;
    }
    throw new SandboxError(`no service of this sandbox has the fault ${kind}`);
  }

  private meets({ kind, service, operation, containing, cdk }: FaultRule, call: Call): boolean {
    if (isOperationFault(kind) || service !== call.service || (call.cdk && !cdk)) return false;
    if (operation === '*' ? READS.test(call.operation) : operation !== call.operation) return false;
    return containing === undefined || textOf(call.input).includes(containing);
  }

  private decide(each: Counted): boolean {
    const { rule } = each;
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

/** Everything a caller sent, as it would read it: bodies too. */
function textOf(input: unknown): string {
  if (typeof input === 'string') return input;
  if (input instanceof Uint8Array) return Buffer.from(input).toString('utf8');
  if (typeof input !== 'object' || input === null) return String(input);
  return Object.values(input).map(textOf).join('\n');
}
