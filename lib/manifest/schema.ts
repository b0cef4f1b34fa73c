/**
 * The manifest: what the stacks tell the runbooks. Each stack writes its own part as one SSM parameter
 * (`/switchback/<system>/<part>`, advanced tier, JSON); a window freezes what it read into its first journal event.
 * The constructs that write it and the runbooks that read it share this one schema.
 */
import { z } from 'zod';
import type { Color, Release } from './release';

export type { Color, Release };

/** Rises when a reader of the old shape could misread the new one; the code refuses every other number. */
export const manifestVersion = 1;

export const colors = ['blue', 'green'] as const satisfies readonly Color[];
export const colorSchema = z.enum(colors) satisfies z.ZodType<Color>;

export const otherColor = (color: Color): Color => (color === 'blue' ? 'green' : 'blue');

export const releaseSchema = z.object({ version: z.string(), commit: z.string() }) satisfies z.ZodType<Release>;

const check = z.object({
  /** Which application's address is asked. */
  application: z.string(),
  path: z.string(),
  /** @default 200 */
  status: z.number().default(200),
  /** A text that the answer's body must contain. */
  contains: z.string().optional(),
});
/** One smoke test: a GET that must answer as described, by routing key before the color is in front and without it after. */
export type Check = z.infer<typeof check>;

const rule = z.object({
  arn: z.string(),
  listener: z.string(),
  /** The application it belongs to. */
  application: z.string(),
  /** `application` moves with its color; `open` does too, but stands in front of maintenance; `key` never moves; `maintenance` is in front or parked. */
  kind: z.enum(['application', 'open', 'key', 'maintenance']),
  /** Place inside its block of priorities, 0 to 49; the same application has the same slot in both colors. */
  slot: z.number(),
});
export type Rule = z.infer<typeof rule>;

/**
 * Rules of one listener as stacks write them, `<kind> <slot> <application> <last part of the ARN>` each: an SSM parameter
 * holds 8,192 characters, and a rule's ARN alone has 150.
 */
const packedRules = z.object({ listener: z.string(), rules: z.array(z.string()) }).transform(({ listener, rules: packed }): Rule[] =>
  packed.map((text) => {
    const [kind, slot, application, id] = text.split(' ');
    const arn = `${listener.replace(':listener/', ':listener-rule/')}/${id}`;
    return rule.parse({ arn, listener, application, kind, slot: Number(slot) });
  }),
);
const rules = z.union([z.array(rule), packedRules]);

const network = z.object({ subnets: z.array(z.string()), securityGroups: z.array(z.string()) });

export const sharedSchema = z.object({
  manifest: z.literal(manifestVersion),
  part: z.literal('shared'),
  system: z.string(),
  /** Where the app has the system's stacks, when not at its root: `Prod` for `cdk deploy Prod/green` (stack-names.ts). */
  stackPath: z.string().optional(),
  region: z.string(),
  account: z.string(),
  cluster: z.string(),
  loadBalancer: z.object({ arn: z.string(), name: z.string() }),
  /** Switchback's rules use the 1,000 priorities from `firstPriority` on (lib/manifest/priorities.ts). */
  listeners: z.array(z.object({ arn: z.string(), firstPriority: z.number() })),
  maintenanceRules: rules,
  /** The header that reaches a color past maintenance, and its value per color. A name, not a secret. */
  routingKey: z.object({ header: z.string(), blue: z.string(), green: z.string() }),
  database: z.object({
    /** The instance the stacks made or adopted. Which instance is production *now* is in the state parameter. */
    instance: z.string(),
    /** The name of the database inside the instance. */
    name: z.string(),
    /** Where tasks have the authorities of RDS's certificates; without it they encrypt and, but for node-postgres, do not verify. */
    certificates: z.string().optional(),
    /** Secret with username and password of the master user. The host comes from the instance, not from the secret. */
    masterSecret: z.string(),
    /** Secret of the user migrations run as; Switchback writes host and url into it. */
    migratorSecret: z.string(),
    /**
     * Secret of the user the fallback is fed as (logical replication). Without it the database is forked inside the
     * window, and a rollback after opening leaves the writes since behind.
     */
    feedSecret: z.string().optional(),
    /** What somebody has looked at: findings of the preflight by code, and SECURITY DEFINER functions. */
    acknowledged: z.object({ findings: z.array(z.string()), functions: z.array(z.string()) }).optional(),
    roles: z.object({
      /** Owns every object; nobody logs in with it. */
      owner: z.string(),
      /** Membership lets a color's user write, while it is itself a member of the one that has the rights. */
      write: z.string(),
      /** Has the rights to write; its one member is what a fence takes away. Left out by stacks of before there was one. */
      rights: z.string().optional(),
      read: z.string(),
      /** Logs in for migrations; a member of the owner only while they run. */
      migrator: z.string(),
      /** Reads for open paths. */
      reader: z.string(),
    }),
  }),
  /** Where copies of production may be made to try migrations on; without it none is made. */
  trial: z
    .object({ securityGroups: z.array(z.string()), subnetGroup: z.string(), taskSecurityGroups: z.array(z.string()).optional() })
    .optional(),
  journalBucket: z.string(),
  /** Name of the runner function. */
  runner: z.string(),
  schedule: z.object({ group: z.string(), role: z.string() }),
  /** Seconds between opening and teardown. */
  holdSeconds: z.number(),
  /** Seconds of watching after the maintenance is parked. */
  watchSeconds: z.number(),
  checks: z.array(check),
  /** Names of the tests people do at the gate, in order: `landing test by the business`. */
  landingTests: z.array(z.string()),
});
export type SharedPart = z.infer<typeof sharedSchema>;

export const applicationSchema = z.object({
  name: z.string(),
  service: z.string(),
  targetGroup: z.string(),
  /** An open application keeps serving during maintenance, with a user that can only read. */
  open: z.boolean(),
  /** A GET inside the application's conditions that answers 200 with `x-release` and `x-commit`, without the database. */
  proofPath: z.string(),
  /** The Host header to ask with, where the application has a host condition. */
  host: z.string().optional(),
  /** Of the task definition that its service runs; left out by stacks of before it was noted. */
  revision: z.string().optional(),
});
export type Application = z.infer<typeof applicationSchema>;

export const workerSchema = z.object({
  name: z.string(),
  service: z.string(),
  /** True: never two of it, over both colors together. */
  once: z.boolean(),
  /** How many run when the color is live. */
  count: z.number(),
  /** Set when application auto scaling is registered for it; suspended before it is brought to zero. */
  scaling: z.object({ min: z.number(), max: z.number() }).optional(),
  /** Of the task definition that its service runs; left out by stacks of before it was noted. */
  revision: z.string().optional(),
});
export type Worker = z.infer<typeof workerSchema>;

export const colorPartSchema = z.object({
  manifest: z.literal(manifestVersion),
  part: colorSchema,
  system: z.string(),
  stack: z.string(),
  release: releaseSchema,
  applications: z.array(applicationSchema),
  workers: z.array(workerSchema),
  rules,
  /** Where a browser gets the cookie that leads it to this color, also in maintenance: an address, or a path of the load balancer's. */
  passage: z.string().optional(),
  database: z.object({
    /** The user the color's applications and workers log in with. */
    user: z.string(),
    secret: z.string(),
    /** Secret of the reader for this color's open applications; its host moves apart from the other's. */
    openSecret: z.string(),
  }),
  /** The one-off task that runs this release's migrations. */
  migration: z.object({
    taskDefinition: z.string(),
    container: z.string(),
    /** Replaces the container's command for each part; a release without a contract part has none. */
    expand: z.array(z.string()),
    contract: z.array(z.string()).optional(),
    /** Tables of the migration tool's own notes, `schema.table` each, beside the well-known ones. */
    bookkeeping: z.array(z.string()).optional(),
    /** Ids of schema differences that a rollback may lose, as the trial names them. */
    acceptedLosses: z.array(z.string()).optional(),
    /** What cannot be guessed about bringing rows back into the old schema (lib/postgres/schema/declared.ts). */
    bridges: z
      .object({
        columns: z
          .array(z.object({ table: z.string(), column: z.string(), from: z.string() }))
          .readonly()
          .optional(),
        rows: z
          .array(
            z.object({
              of: z.string(),
              run: z.string(),
              onDelete: z.string().optional(),
              sets: z
                .array(z.object({ table: z.string(), column: z.string(), is: z.string() }))
                .readonly()
                .optional(),
            }),
          )
          .readonly()
          .optional(),
        deleted: z.record(z.string(), z.enum(['keep', 'ship'])).optional(),
      })
      .optional(),
    network,
    logGroup: z.string(),
    logStreamPrefix: z.string(),
  }),
});
export type ColorPart = z.infer<typeof colorPartSchema>;

export const fallbackSchema = z.object({
  manifest: z.literal(manifestVersion),
  part: z.literal('fallback'),
  system: z.string(),
  /** `w1`, `w2`, … */
  window: z.string().regex(/^w[1-9][0-9]*$/),
  stack: z.string(),
  instance: z.string(),
  /** The instance it was made a replica of. */
  source: z.string(),
});
export type FallbackPart = z.infer<typeof fallbackSchema>;

/** Everything a runbook needs to know that does not change while it runs. */
export interface Manifest {
  readonly shared: SharedPart;
  readonly blue: ColorPart | undefined;
  readonly green: ColorPart | undefined;
  /** By window name. */
  readonly fallbacks: Readonly<Record<string, FallbackPart>>;
}

/**
 * `/switchback/<system>/state`: the only thing runbooks write beside the journal that stacks read.
 * Never in a template: CloudFormation would put back what a runbook changed.
 */
export const stateSchema = z.object({
  /** The instance customers' writes go to. */
  production: z.string(),
  /** The open window, if there is one; deploys of what it uses are refused. */
  window: z.string().optional(),
  /** False until the first cutover of the system has opened it to customers. */
  opened: z.boolean(),
});
export type SystemState = z.infer<typeof stateSchema>;

/** Names of SSM parameters. */
export const parameterName = {
  folder: (system: string) => `/switchback/${system}/`,
  part: (system: string, part: string) => `/switchback/${system}/${part}`,
  state: (system: string) => `/switchback/${system}/state`,
};

/** What is in the secret of a database user. */
export const databaseSecretSchema = z.object({
  username: z.string(),
  password: z.string(),
  host: z.string().optional(),
  port: z.number().optional(),
  dbname: z.string().optional(),
  /** `postgres://…`, for tools that want one string. Password included: it never leaves the secret. */
  url: z.string().optional(),
});
export type DatabaseSecret = z.infer<typeof databaseSecretSchema>;
