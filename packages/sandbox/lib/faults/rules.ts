/** What may be asked to go wrong, and what is refused as no fault. */
import { z } from 'zod';
import { SandboxError } from '../lock';
import type { ServiceName } from '../service';
import { SERVICES } from '../wire/model';

/** The call itself goes wrong. */
const calls = ['throttle', 'error', 'refuse', 'lost', 'slow'] as const;
/** Something happens to a thing, just before the call that the rule names, or at once (STRIKE_PATH). */
const strikes = ['crash', 'down', 'restart', 'stall', 'slot', 'kill', 'flap', 'clock'] as const;
/** What the call begins goes otherwise than usual: it takes long, or what it stops is deaf. */
const courses = ['long', 'deaf'] as const;

export type StrikeKind = (typeof strikes)[number];
export type CourseKind = (typeof courses)[number];
export const isStrike = (kind: string): kind is StrikeKind => (strikes as readonly string[]).includes(kind);
export const isCourse = (kind: string): kind is CourseKind => (courses as readonly string[]).includes(kind);

/** AWS seconds of what ends by itself; `clock` has no default: it says by how much. */
const seconds = z
  .number()
  .refine((given) => given !== 0 && Number.isFinite(given))
  .default(20);
const onlyClocksGoBack = ({ kind, seconds: given }: { kind: string; seconds: number }) => kind === 'clock' || given > 0;

const ruleSchema = z
  .strictObject({
    service: z.enum(Object.keys(SERVICES) as [ServiceName, ...ServiceName[]]),
    /** As the API spells it, `SetRulePriorities`; `*` for every call that changes something. */
    operation: z.string().min(1),
    kind: z.enum([...calls, ...strikes, ...courses]),
    /** Only calls whose input has this text in it. */
    containing: z.string().min(1).optional(),
    /** The next so many calls. */
    times: z.int().positive().optional(),
    /** Each call with this probability, by the seed. */
    rate: z.number().gt(0).max(1).optional(),
    /** AWS seconds; of `clock`, real ones by which a function's clock is moved, back if below zero. */
    seconds,
    /** long: so many times as long as usual. */
    factor: z.number().gt(1).default(20),
    /** A strike's: an instance, a service or family of tasks, the ARN of a target group, a function. A course's: only of this one. */
    target: z.string().min(1).optional(),
    /** Also calls that the CDK CLI makes. */
    cdk: z.boolean().default(false),
  })
  .refine(({ times, rate }) => times === undefined || rate === undefined, 'a rule has times or a rate, not both')
  .refine(({ kind, target }) => !isStrike(kind) || target !== undefined, `${strikes.join(', ')} need a target`)
  .refine(({ kind, containing }) => !isCourse(kind) || containing === undefined, `${courses.join(', ')} have a target, and contain nothing`)
  .refine(onlyClocksGoBack, 'seconds are above 0');

const requestSchema = z.strictObject({ seed: z.string().min(1).optional(), rules: z.array(ruleSchema) });
const strikeSchema = z
  .strictObject({ kind: z.enum(strikes), target: z.string().min(1), seconds })
  .refine(onlyClocksGoBack, 'seconds are above 0');

export type FaultRule = z.infer<typeof ruleSchema>;
export type Strike = z.infer<typeof strikeSchema>;

/** @throws SandboxError for what is no list of rules */
export const rulesOf = (given: unknown) => checked(requestSchema, given, 'these are no faults');
/** @throws SandboxError for what is no strike */
export const strikeOf = (given: unknown) => checked(strikeSchema, given, 'this is no strike');

function checked<T>(schema: z.ZodType<T>, given: unknown, wrong: string): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const what = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`).join('; ');
  throw new SandboxError(`${wrong}: ${what}. docs/sandbox/faults.md has examples.`);
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
