/**
 * What happens to a window: a pure function of the seed. Where in a runbook something strikes is a share of its steps, so that a
 * seed goes on meaning the same night when a step is added; the run says at which step it was.
 */
import { Random } from './random';

export type Verb = 'stage' | 'cutover' | 'rollback' | 'teardown';

/** Where the window is to end: finished; taken back at the gate, in the middle of the cutover, or after opening. */
export type Way = 'through' | 'no-go' | 'midway' | 'after opening';

/** Calls that go wrong from a moment on: a rule for the sandbox (docs/sandbox/faults.md). */
export interface Fault {
  readonly service: string;
  readonly operation: string;
  readonly kind: string;
  readonly times?: number;
  readonly rate?: number;
  readonly seconds?: number;
  readonly factor?: number;
}

/** Something that happens to a thing at once, in the sandbox's words; what it happens to is looked up when it does. */
export interface Mishap {
  readonly what: 'crash' | 'restart' | 'stall' | 'slot' | 'kill' | 'flap' | 'clock';
  /** An instance, a color's target group, an ECS service, the task that migrates, the runner function. */
  readonly to: 'production' | 'fallback' | 'blue' | 'green' | 'migration' | 'runner' | `${'blue' | 'green'}-${string}`;
  /** AWS seconds; of a clock, real ones. */
  readonly seconds?: number;
}

export type Disturbance =
  /** The terminal, killed. */
  | { readonly kind: 'terminal killed' }
  /** The runner function's process, killed. */
  | { readonly kind: 'runner killed' }
  | { readonly kind: 'Ctrl-C' }
  /** Somebody else types the same verb meanwhile. */
  | { readonly kind: 'second operator'; readonly here: boolean }
  | { readonly kind: 'take-over'; readonly here: boolean }
  | { readonly kind: 'faults'; readonly faults: readonly Fault[] }
  | { readonly kind: 'mishap'; readonly mishap: Mishap };

export type Strike = Disturbance & {
  /** Before so much of the plan's steps has begun: 0 the first, just below 1 the last. */
  readonly at: number;
  /** From the step's beginning. */
  readonly delayMs: number;
};

/** One command, as it is typed; the ones after the last in the list are left alone. */
export interface Try {
  readonly by: string;
  /** In the terminal's own process. */
  readonly here: boolean;
  readonly strikes: readonly Strike[];
}

export interface Scenario {
  readonly seed: number;
  readonly way: Way;
  /** Of the cutover, where a rollback is begun while it is under way: `midway` only. */
  readonly backAt: number;
  /** The cutover is left running when the rollback is typed; otherwise its terminal is killed first. */
  readonly backWhileRunning: boolean;
  readonly keepStandby: boolean;
  /** Customers use what is open for so long before the next verb. */
  readonly openMs: number;
  readonly tries: Readonly<Record<Verb, readonly Try[]>>;
}

const people = ['Ada', 'Grace', 'Edsger', 'Barbara', 'Tony', 'Radia'] as const;

export function scenarioOf(seed: number): Scenario {
  const random = new Random(`night ${seed}`);
  const draw = random.next();
  const way: Way = draw < 0.3 ? 'through' : draw < 0.42 ? 'no-go' : draw < 0.68 ? 'midway' : 'after opening';
  const back = { backAt: random.next(), backWhileRunning: random.chance(0.4) };
  const keepStandby = random.chance(0.5);
  const openMs = random.between(1000, 4000);
  const struck: Verb[] = ['stage', 'cutover', 'cutover', 'cutover', 'teardown'];
  if (way !== 'through') struck.push('rollback', 'rollback', 'rollback');
  const count = random.between(2, 5);
  const disturbances = Array.from({ length: count }, () => random.pick(struck));
  const triesOf = (verb: Verb): Try[] =>
    disturbances
      .filter((one) => one === verb)
      .map(() => ({ by: random.pick(people), here: random.chance(0.25), strikes: strikesOf(random, verb, way) }));
  return {
    ...{ seed, way, ...back, keepStandby, openMs },
    tries: { stage: triesOf('stage'), cutover: triesOf('cutover'), rollback: triesOf('rollback'), teardown: triesOf('teardown') },
  };
}

function strikesOf(random: Random, verb: Verb, way: Way): Strike[] {
  const when = () => ({ at: random.next(), delayMs: random.chance(0.5) ? 0 : random.between(0, 1500) });
  const hand = random.next();
  const strikes: Strike[] = [];
  if (hand < 0.2) strikes.push({ kind: 'terminal killed', ...when() });
  else if (hand < 0.35) strikes.push({ kind: 'runner killed', ...when() });
  else if (hand < 0.5) strikes.push({ kind: 'Ctrl-C', ...when() });
  else if (hand < 0.6) strikes.push({ kind: 'second operator', here: random.chance(0.5), ...when() });
  else if (hand < 0.7) strikes.push({ kind: 'take-over', here: random.chance(0.3), ...when() });
  if (random.chance(0.4)) strikes.push({ kind: 'mishap', mishap: mishapOf(random, verb, way), ...when() });
  if (strikes.length === 0 || random.chance(0.5)) {
    const faults = Array.from({ length: random.between(1, 3) }, () => faultOf(random, verb));
    strikes.push({ kind: 'faults', faults, ...when() });
  }
  return strikes;
}

const calls: Readonly<Record<Verb, readonly (readonly [service: string, operation: string])[]>> = {
  stage: [
    ['ecs', 'UpdateService'],
    ['secretsmanager', 'PutSecretValue'],
    ['rds', 'PromoteReadReplica'],
    ['rds', 'CreateDBSnapshot'],
    ['rds', 'RestoreDBInstanceFromDBSnapshot'],
    ['rds', 'DeleteDBInstance'],
    ['ecs', 'RunTask'],
    ['ssm', 'PutParameter'],
    ['scheduler', 'CreateSchedule'],
  ],
  cutover: [
    ['elbv2', 'SetRulePriorities'],
    ['ecs', 'UpdateService'],
    ['ecs', 'RunTask'],
    ['secretsmanager', 'PutSecretValue'],
    ['ssm', 'PutParameter'],
    ['scheduler', 'CreateSchedule'],
  ],
  rollback: [
    ['elbv2', 'SetRulePriorities'],
    ['ecs', 'UpdateService'],
    ['secretsmanager', 'PutSecretValue'],
    ['ssm', 'PutParameter'],
    ['scheduler', 'CreateSchedule'],
  ],
  teardown: [
    ['rds', 'CreateDBSnapshot'],
    ['rds', 'ModifyDBInstance'],
    ['cloudformation', 'DeleteStack'],
    ['ecs', 'RunTask'],
    ['ssm', 'PutParameter'],
    ['scheduler', 'DeleteSchedule'],
  ],
};

const looks: readonly (readonly [service: string, operation: string])[] = [
  ['elbv2', 'DescribeRules'],
  ['ecs', 'DescribeServices'],
  ['rds', 'DescribeDBInstances'],
  ['ssm', 'GetParametersByPath'],
  ['secretsmanager', 'GetSecretValue'],
  ['s3', 'GetObject'],
];

function faultOf(random: Random, verb: Verb): Fault {
  const draw = random.next();
  // two attempts of the SDK are one call of ours: every second fault is one that the SDK does not hide.
  const times = random.between(1, 4);
  if (draw < 0.45) {
    const [service, operation] = random.pick(calls[verb]);
    const kind = random.pick(['throttle', 'error', 'lost', 'lost', 'slow', 'refuse']);
    return { service, operation, kind, times, ...(kind === 'slow' ? { seconds: random.between(100, 1500) } : {}) };
  }
  if (draw < 0.62)
    return {
      service: 's3',
      operation: 'PutObject',
      kind: random.pick(['error', 'throttle', 'lost', 'refuse', 'slow']),
      times,
      seconds: 300,
    };
  if (draw < 0.78) {
    const [service, operation] = random.pick(looks);
    return { service, operation, kind: random.pick(['throttle', 'error', 'slow']), rate: 0.3, seconds: 200 };
  }
  if (draw < 0.84) return { service: 'lambda', operation: 'Invoke', kind: random.pick(['throttle', 'error', 'lost']), times: 1 };
  // in a stage hardly anything is stopped, and much takes long.
  if (draw < 0.92 && verb !== 'stage') return { service: 'ecs', operation: 'StopTask', kind: 'ignores-sigterm', times };
  const [service, operation] = random.pick(lengthy[verb]);
  return { service, operation, kind: 'long', factor: operation === 'PromoteReadReplica' ? 20 : random.between(3, 20) };
}

/** What a verb waits for. */
const lengthy: typeof calls = {
  stage: [
    ['rds', 'PromoteReadReplica'],
    ['rds', 'PromoteReadReplica'],
    ['rds', 'CreateDBSnapshot'],
    ['rds', 'RestoreDBInstanceFromDBSnapshot'],
    ['rds', 'DeleteDBInstance'],
  ],
  cutover: [['ecs', 'RunTask']],
  rollback: [['ecs', 'RunTask']],
  teardown: [
    ['rds', 'CreateDBSnapshot'],
    ['rds', 'ModifyDBInstance'],
    ['rds', 'DeleteDBInstance'],
  ],
};

function mishapOf(random: Random, verb: Verb, way: Way): Mishap {
  const draw = random.next();
  const to = random.pick(['production', 'fallback'] as const);
  if (draw < 0.2) return { what: 'crash', to };
  if (draw < 0.35) return { what: 'restart', to };
  // without its feed a window that has been opened is not taken back (nobody here gives up writes): only where none is meant to be.
  if (draw < 0.5 && way === 'through' && (verb === 'stage' || verb === 'cutover')) return { what: 'slot', to: 'production' };
  if (draw < 0.55) return { what: 'stall', to, seconds: random.between(100, 1500) };
  if (draw < 0.65) return { what: 'flap', to: random.pick(['blue', 'green']), seconds: random.between(100, 600) };
  if (draw < 0.9) {
    const services = ['player', 'api', 'admin', 'site', 'queue', 'clock', 'billing'] as const;
    const service = `${random.pick(['blue', 'green'] as const)}-${random.pick(services)}` as const;
    return { what: 'kill', to: random.pick(['migration', service, service, service]) };
  }
  return { what: 'clock', to: 'runner', seconds: random.pick([-3600, -90, -20, 20, 90, 3600]) };
}
