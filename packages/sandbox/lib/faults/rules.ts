/** What may be asked to go wrong, and what is refused as no fault. */
import { z } from 'zod';
import { SandboxError } from '../lock';
import { SERVICES, type ServiceName } from '../service-names';
import { callFaults, isOperationFault, isThingFault, operationFaults, thingFaults } from './kinds';

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
    kind: z.enum([...callFaults, ...thingFaults, ...operationFaults]),
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
    /** Of a fault of a thing: an instance, a service or family of tasks, the ARN of a target group, a function. Of an operation: only of this one. */
    target: z.string().min(1).optional(),
    /** Also calls that the CDK CLI makes. */
    cdk: z.boolean().default(false),
  })
  .refine(({ times, rate }) => times === undefined || rate === undefined, 'a rule has times or a rate, not both')
  .refine(({ kind, target }) => !isThingFault(kind) || target !== undefined, `${thingFaults.join(', ')} need a target`)
  .refine(
    ({ kind, containing }) => !isOperationFault(kind) || containing === undefined,
    `${operationFaults.join(', ')} have a target, and contain nothing`,
  )
  .refine(onlyClocksGoBack, 'seconds are above 0');

const requestSchema = z.strictObject({ seed: z.string().min(1).optional(), rules: z.array(ruleSchema) });
const thingFaultSchema = z
  .strictObject({ kind: z.enum(thingFaults), target: z.string().min(1), seconds })
  .refine(onlyClocksGoBack, 'seconds are above 0');

export type FaultRule = z.infer<typeof ruleSchema>;
export type ThingFault = z.infer<typeof thingFaultSchema>;

/** @throws SandboxError for what is no list of rules */
export const rulesOf = (given: unknown) => checked(requestSchema, given, 'these are no faults');
/** @throws SandboxError for what is no fault of a thing */
export const thingFaultOf = (given: unknown) => checked(thingFaultSchema, given, 'this is no fault of a thing');

function checked<T>(schema: z.ZodType<T>, given: unknown, wrong: string): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const what = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'request'}: ${message}`).join('; ');
  throw new SandboxError(`${wrong}: ${what}. docs/sandbox/faults.md has examples.`);
}

/** `--faults <seed>[:<rate>]`: load, errors, lost and slow answers for what Switchback changes. @default rate 0.05 */
export function faultsOf(text: string): { seed: string; rules: unknown[] } {
  const [seed = '', given = '0.05', ...rest] = text.split(':');
  const rate = Number(given);
  if (seed === '' || given === '' || rest.length > 0 || !(rate > 0 && rate <= 1))
    throw new SandboxError(`--faults ${text}: a seed, and a rate above 0 and at most 1 after a colon: --faults 42:0.05`);
  const services = ['elbv2', 'rds', 'ecs', 'ssm', 's3', 'scheduler', 'autoscaling'] as const;
  const kindsBySeed = ['throttle', 'error', 'lost', 'slow'] as const;
  // together they make up the rate.
  return {
    seed,
    rules: services.flatMap((service) => kindsBySeed.map((kind) => ({ service, operation: '*', kind, rate: rate / kindsBySeed.length }))),
  };
}
