/**
 * Properties of the custom resources, as the constructs write them and the handlers read them. CloudFormation turns
 * every number and boolean into a string on the way.
 */
import { z } from 'zod';
import type { RuleKind } from '../manifest/priorities';
import { colorSchema } from '../manifest/schema';

/** Where the function that wakes another is told its ARN (handlers/waking.lambda.ts). */
export const insideVariable = 'SWITCHBACK_INSIDE';

const flag = z.preprocess((value) => (typeof value === 'string' ? value === 'true' : value), z.boolean()) as z.ZodType<boolean, boolean>;
const number = z.preprocess((value) => (typeof value === 'string' ? Number(value) : value), z.number()) as z.ZodType<number, number>;
const strings = z.array(z.string());

export const ruleDefinitionSchema = z.object({
  Application: z.string(),
  Kind: z.enum(['application', 'open', 'key', 'maintenance', 'passage', 'cookie']) satisfies z.ZodType<RuleKind>,
  Slot: number,
  Paths: strings.default([]),
  Hosts: strings.default([]),
  /** The routing key, or the cookie of the passage. */
  Header: z.object({ Name: z.string(), Value: z.string() }).optional(),
  /** Where it leads; none: to a fixed answer. */
  TargetGroup: z.string().optional(),
  Response: z.object({ Status: z.string(), ContentType: z.string(), Body: z.string() }).optional(),
});
export type RuleDefinition = z.input<typeof ruleDefinitionSchema>;
export type RuleToBe = z.output<typeof ruleDefinitionSchema>;

export const rulesSchema = z.object({
  System: z.string(),
  Owner: z.union([colorSchema, z.literal('maintenance')]),
  Listener: z.string(),
  LoadBalancer: z.string(),
  FirstPriority: number,
  Rules: z.array(ruleDefinitionSchema),
});
export type RulesProperties = z.input<typeof rulesSchema>;

/** Name of the attribute that carries the last part of a rule’s ARN: a custom resource answers with 4,096 characters at most. */
export const attributeOfRule = (kind: RuleKind, slot: number): string => `${kind}${slot}`;

export const guardSchema = z.object({
  System: z.string(),
  /** `shared`, `green`, `fallback-w1` */
  Part: z.string(),
  /** Where the app has the stacks (lib/manifest/stack-names.ts). */
  Path: z.string().optional(),
  /** What must not be touched: the color while it is live, the fallback once it is made, everything while a window is open. */
  Protects: z.enum(['shared', 'color', 'fallback']),
  Asks: z.enum(['change', 'deletion']),
  Subject: z.string(),
  Listener: z.string().optional(),
  FirstPriority: number.optional(),
  /** The instance of a fallback stack. */
  Instance: z.string().optional(),
  Deletable: flag,
  Fingerprint: z.string().optional(),
});
export type GuardProperties = z.input<typeof guardSchema>;

export const workerPropertiesSchema = z.object({
  Cluster: z.string(),
  Service: z.string(),
  TaskDefinition: z.string(),
  Subnets: strings,
  SecurityGroups: strings,
  Once: flag,
  Scaling: z.object({ Min: number, Max: number, CpuPercent: number }).optional(),
});
export type WorkerProperties = z.input<typeof workerPropertiesSchema>;

const rolesSchema = z.object({
  owner: z.string(),
  write: z.string(),
  rights: z.string().optional(),
  read: z.string(),
  migrator: z.string(),
  reader: z.string(),
});

export const databaseSchema = z.object({
  System: z.string(),
  /** The instance to use while no state says which one is production. */
  Instance: z.string(),
  Database: z.string(),
  /** Where tasks have the authorities of RDS's certificates. */
  Certificates: z.string().optional(),
  MasterSecret: z.string(),
  Roles: rolesSchema,
  /** True: the roles are made ready first, as the shared stack does. */
  Prepare: flag,
  Users: z.array(z.object({ Kind: z.enum(['color', 'reader', 'migrator']), Secret: z.string() })),
});
export type DatabaseProperties = z.input<typeof databaseSchema>;

export const sourceSchema = z.object({ System: z.string(), Window: z.string(), Instance: z.string() });
export type SourceProperties = z.input<typeof sourceSchema>;
