import type * as acm from 'aws-cdk-lib/aws-certificatemanager';
import type * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import type * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type * as iam from 'aws-cdk-lib/aws-iam';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import type * as logs from 'aws-cdk-lib/aws-logs';
import type * as rds from 'aws-cdk-lib/aws-rds';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Duration } from 'aws-cdk-lib/core';
import type { Environment } from 'aws-cdk-lib/core';
import type { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Stack } from 'aws-cdk-lib/core';

declare interface ApplicationProps {
    readonly name: string;
    /**
     * Paths it answers, with `*` and `?` as wildcards: `/api/*`.
     * @default - every path of its hosts
     */
    readonly paths?: readonly string[];
    /**
     * Host names it answers.
     * @default - every host
     */
    readonly hosts?: readonly string[];
    /**
     * Keeps serving during maintenance, with a database user that can only read.
     * @default false
     */
    readonly open?: boolean;
    /**
     * @default - the image's own command
     */
    readonly command?: readonly string[];
    /**
     * @default - `image` of the system
     */
    readonly image?: ImageOfRelease;
    /**
     * The port the container listens on; it gets it as PORT too.
     * @default 8080
     */
    readonly port?: number;
    /**
     * @default 256
     */
    readonly cpu?: number;
    /**
     * @default 512
     */
    readonly memory?: number;
    /**
     * Tasks of one color.
     * @default 2
     */
    readonly desiredCount?: number;
    /**
     * A path that answers 200 when the task can serve. It is asked on the task itself, so it need not be among `paths`.
     * @default '/health'
     */
    readonly healthCheckPath?: string;
    /**
     * A path among `paths` that answers 200 with the headers `x-release` and `x-commit` without asking the database.
     * It is how a switch is proven.
     */
    readonly proofPath: string;
    /**
     * How long a task that leaves may finish its requests.
     * @default Duration.seconds(30)
     */
    readonly deregistrationDelay?: Duration;
    /**
     * @default - only those of the system
     */
    readonly environment?: Readonly<Record<string, string>>;
}

declare interface BridgeColumn {
    /** Of the old schema, qualified: `public.users`. */
    readonly table: string;
    readonly column: string;
    /** An SQL expression: `NEW.first || ' ' || NEW.last`. */
    readonly from: string;
}

declare interface BridgeRows {
    /** The table of the new schema, qualified: `public.profiles`. */
    readonly of: string;
    /** One SQL statement: `UPDATE public.users SET bio = NEW.bio WHERE id = NEW.user_id`. */
    readonly run: string;
    /**
     * One SQL statement for a row that is gone: `UPDATE public.users SET bio = '' WHERE id = OLD.user_id`.
     * @default - the old schema keeps what `run` wrote last
     */
    readonly onDelete?: string;
    /**
     * Columns of the old schema that these statements keep, so that they are compared after a rollback.
     * @default - such columns are not compared, and the proof says so
     */
    readonly sets?: readonly BridgeSet[];
}

declare interface BridgeSet {
    /** Of the old schema, qualified: `public.users`. */
    readonly table: string;
    readonly column: string;
    /** What it must be, from the new schema, where `NEW` is the row of `table`: `(SELECT p.bio FROM public.profiles p WHERE p.user_id = NEW.id)`. */
    readonly is: string;
}

/** How rows of the new schema become rows of the old one, in plain SQL. */
declare interface Bridges {
    /**
     * The value of a column of the old schema, computed from the arriving row (`NEW`, by the new schema's column names).
     * @default - none
     */
    readonly columns?: readonly BridgeColumn[];
    /**
     * What each new or changed row of a table of the new schema does to the old schema.
     * @default - none
     */
    readonly rows?: readonly BridgeRows[];
    /**
     * What becomes of rows that the migrations themselves delete, by their table in the old schema: `ship` deletes them on
     * the fallback too, `keep` has them there again after a rollback.
     * @default - migrations that delete rows are refused at the trial, with how many of which table
     */
    readonly deleted?: Readonly<Record<string, 'keep' | 'ship'>>;
}

declare interface CheckProps {
    /** The application whose address is asked. */
    readonly application: string;
    readonly path: string;
    /**
     * @default 200
     */
    readonly status?: number;
    /**
     * A text that the answer must contain.
     * @default - any answer with the right status will do
     */
    readonly contains?: string;
}

/** One full set of the system's tasks, with its own release. */
declare type Color = 'blue' | 'green';

/** One color: the tasks of one release, and only what belongs to them. */
declare class ColorStack extends SystemStack {
    readonly color: Color;
    readonly release: Release;
    readonly tasks: TaskFactory;
}

declare interface DatabaseProps {
    /**
     * The name of the database inside the instance.
     * @default - the system's name, with `_` for `-`
     */
    readonly name?: string;
    /**
     * @default rds.PostgresEngineVersion.VER_17
     */
    readonly version?: rds.PostgresEngineVersion;
    /**
     * Size of the production database and of every fallback.
     * @default - db.t4g.medium
     */
    readonly instanceType?: ec2.InstanceType;
    /**
     * In GiB.
     * @default 100
     */
    readonly allocatedStorage?: number;
    /**
     * @default true
     */
    readonly multiAz?: boolean;
    /**
     * How long backups are kept, at least a day: an instance without backups cannot have the replica a window needs.
     * @default Duration.days(7)
     */
    readonly backupRetention?: Duration;
    /**
     * An existing instance to adopt. `masterSecret` must be given with it, and its parameter group must set
     * `rds.logical_replication` to 1.
     * @default - an instance is made
     */
    readonly instance?: rds.IDatabaseInstance;
    /**
     * Secret with `username` and `password` of the adopted instance's master user. Not one that RDS manages: an
     * instance with such a password cannot have read replicas on PostgreSQL.
     * @default - one is made with the instance
     */
    readonly masterSecret?: secretsmanager.ISecret;
    /**
     * Where images have the authorities of RDS's certificates (`certificates/rds-global-bundle.pem` of this package, or a Region's bundle of AWS). With it
     * `DATABASE_URL` ends in `sslmode=verify-full&sslrootcert=…`, so that every task checks the server's certificate and name.
     * @default - `sslmode=require`: node-postgres checks them all the same, libpq does not
     */
    readonly certificates?: string;
    /**
     * Findings of the preflight that somebody has looked at and that shall not stop a window, by their codes: `large-objects`.
     * @default - none
     */
    readonly acknowledgedFindings?: readonly string[];
    /**
     * SECURITY DEFINER functions that somebody has read and that are no way around the fence, as the preflight shows them: with what
     * they take and a hash of their text, `public.charge(n integer) 0b0ba0…`. One that was replaced since is looked at again.
     * @default - none
     */
    readonly acknowledgedFunctions?: readonly string[];
}

/** One window's fallback database: a replica of what is production when the stack is made, and never touched by a deploy again. */
declare class FallbackStack extends SystemStack {
    readonly instance: string;
}

/** The load balancer and its listener: made here, or adopted. */
declare class FrontDoor extends Construct {
    readonly loadBalancerArn: string;
    readonly loadBalancerName: string;
    readonly listener: elbv2.IApplicationListener;
}

/** Tells which image a release runs, for example `(release) => ecs.ContainerImage.fromEcrRepository(repository, release.version)`. */
declare type ImageOfRelease = (release: Release) => ecs.ContainerImage;

declare interface MaintenanceProps {
    /**
     * At most 1,024 characters, because it is the load balancer that answers.
     * @default 'We are updating the system and will be back shortly.'
     */
    readonly body?: string;
    /**
     * `text/plain`, `text/css`, `text/html`, `application/javascript` or `application/json`.
     * @default 'text/plain'
     */
    readonly contentType?: string;
    /**
     * @default 503
     */
    readonly status?: number;
    /**
     * A word of 20 to 64 lower-case letters, digits and hyphens, made by chance. At `/<word>/blue` and `/<word>/green` a browser gets a cookie
     * that leads it to that color for a day, also in maintenance: for people who test at the gate. Whoever has the address gets past.
     * @default - no browser gets past maintenance, only requests with the routing key
     */
    readonly passage?: string;
}

declare interface MigrationProps {
    /** The command that migrates the database to the release, inside the window. */
    readonly expand: readonly string[];
    /**
     * The command that removes the old schema at teardown.
     * @default - the release has no second part
     */
    readonly contract?: readonly string[];
    /**
     * Tables in which your migration tool notes what it has applied, `schema.table` each. They are not fed to the
     * fallback: after a rollback it must know that it was never migrated. A table that only looks like one, and into which
     * the migrations write, is refused at the trial until it stands here or is accepted (`acceptedLosses`) as data.
     * @default - the names that well-known tools use (lib/postgres/schema/bookkeeping.ts)
     */
    readonly bookkeeping?: readonly string[];
    /**
     * What Switchback cannot guess about bringing rows of the new schema back into the old one: renames it does not see,
     * splits, merges, changed meaning. The plan says which differences need one.
     * @default - none
     */
    readonly bridges?: Bridges;
    /**
     * Schema differences whose loss at a rollback is accepted, by the ids that the trial and `plan` name:
     * `public.users.nickname:dropped`. One that the trial does not find is told.
     * @default - none; one can also be accepted while the window is open (`cutover --accept-loss`)
     */
    readonly acceptedLosses?: readonly string[];
    /**
     * @default - `image` of the system
     */
    readonly image?: ImageOfRelease;
    /**
     * @default 512
     */
    readonly cpu?: number;
    /**
     * @default 1024
     */
    readonly memory?: number;
}

/** The VPC and who may talk to whom in it: customers to the balancer, the balancer to tasks, tasks and functions to databases. */
declare class Network extends Construct {
    readonly vpc: ec2.IVpc;
    readonly balancer: ec2.SecurityGroup;
    readonly tasks: ec2.SecurityGroup;
    readonly functions: ec2.SecurityGroup;
    readonly database: ec2.SecurityGroup;
    /** Where tasks and functions run. */
    readonly inside: ec2.SubnetSelection;
    /** Where databases are. */
    readonly isolated: ec2.SubnetSelection;
}

/** The instance customers' writes go to until a roll-back makes a fallback production: made here, or adopted. */
declare class ProductionDatabase extends Construct {
    readonly instance: rds.IDatabaseInstance;
    readonly identifier: string;
    readonly databaseName: string;
    readonly masterSecret: secretsmanager.ISecret;
}

/** What a color runs. */
declare interface Release {
    /** What people call it: `2.0.0`. Every answer of an application carries it in the header `x-release`. */
    readonly version: string;
    /** The git commit that was built. Every answer carries it in the header `x-commit`. */
    readonly commit: string;
}

declare interface RoutingKeyProps {
    readonly header: string;
    readonly blue: string;
    readonly green: string;
}

/** The function inside the VPC that executes the steps of runbooks, and what asks it to go on when nobody is there. */
declare class Runner extends Construct {
    readonly function: lambda.Function;
}

declare interface ScalingProps {
    readonly min: number;
    readonly max: number;
    /**
     * The CPU use that is aimed at.
     * @default 60
     */
    readonly cpuPercent?: number;
}

/** What both colors share: network, balancer, maintenance rules, production database, journal, runner. */
declare class SharedStack extends SystemStack {
    readonly network: Network;
    readonly frontDoor: FrontDoor;
    readonly cluster: ecs.Cluster;
    readonly database: ProductionDatabase;
    readonly journal: s3.Bucket;
    readonly runner: Runner;
    /** Here, not in the colors' stacks: what a release has logged outlives its teardown. */
    readonly logs: Readonly<Record<Color, logs.LogGroup>>;
    readonly routingKey: RoutingKeyProps;
}

/**
 * A system that goes through release windows: the stacks `shared`, `blue`, `green` and `fallback-w<n>`, made beside
 * this construct so that `cdk deploy green` finds them; in a stage it is `cdk deploy Prod/green`.
 */
declare class Switchback extends Construct {
    /** The name of the system. */
    readonly system: string;
    /** What both colors share. */
    readonly shared: SharedStack;
    /** Undefined while blue has no release. */
    readonly blue: ColorStack | undefined;
    /** Undefined while green has no release. */
    readonly green: ColorStack | undefined;
    /** Undefined while the app names no window. */
    readonly fallback: FallbackStack | undefined;
    /**
     * @param scope the app, or a stage of it
     * @param id the system's name, unless `system` gives another
     */
    constructor(scope: Construct, id: string, props: SwitchbackProps);
    /** The principals that tasks of both colors run as: `bucket.grantRead(principal)` for each. */
    get taskRoles(): iam.IRole[];
    /** Lets somebody look: `status`, `plan`, `--watch`, what customers see. `status --check` asks the runner, and needs `grantOperate`. */
    grantWatch(grantee: iam.IGrantable): iam.Grant;
    /**
     * Lets somebody run the verbs: look, ask the runner, write notes into the journal while the runner is at work (Ctrl-C, a landing test, an
     * answer), and in an emergency move the rules (`rollback --traffic-only`). With `--here` a terminal does the runner's work, and needs the
     * runner's rights.
     */
    grantOperate(grantee: iam.IGrantable): iam.Grant;
    /** Invocations of the runner that ended in an error. */
    metricRunnerErrors(options?: cloudwatch.MetricOptions): cloudwatch.Metric;
}

declare interface SwitchbackProps {
    /**
     * What customers reach, in the order in which the load balancer tries them: the first whose conditions match wins,
     * so a catch-all (`/*`) comes last.
     */
    readonly applications: readonly ApplicationProps[];
    /** The image of a release, for every application, worker and migration that names none of its own. */
    readonly image: ImageOfRelease;
    /** How a release migrates the database. */
    readonly migration: MigrationProps;
    /**
     * Fork the database ahead of the window and keep the fallback fed (logical replication), so that a rollback hours
     * later loses nothing. Without it the fork is made inside the window.
     * @default true
     */
    readonly feed?: boolean;
    /**
     * Try the migrations on a copy of production at the stage, days before the window. The copy is an instance of
     * its own for that time, which nothing can get out of; it is made from a snapshot that is deleted with it.
     * @default true
     */
    readonly trial?: boolean;
    /**
     * Whether the runner function keeps one of the account's concurrent executions for itself, so that there are never two of it. An account
     * must leave a minimum unreserved, and a young one may have no more than that: its deploy fails with
     * `UnreservedConcurrentExecution`. Without it the journal alone lets one run write at a time.
     * @default true
     */
    readonly reservedConcurrency?: boolean;
    /**
     * The release blue runs.
     * @default - there is no blue stack
     */
    readonly blue?: Release;
    /**
     * The release green runs.
     * @default - there is no green stack
     */
    readonly green?: Release;
    /**
     * The number of the window whose fallback database is in the app: 1 makes the stack `fallback-w1`.
     * @default - there is no fallback stack
     */
    readonly window?: number;
    /**
     * The name of the system: part of stack names, parameter names and database names.
     * @default - the construct's id
     */
    readonly system?: string;
    /**
     * Background processes without an address.
     * @default - none
     */
    readonly workers?: readonly WorkerProps[];
    /**
     * The production database: made by the shared stack, or an existing one.
     * @default - a new PostgreSQL 17 instance with every default of `DatabaseProps`
     */
    readonly database?: DatabaseProps;
    /**
     * What customers see while the system is in maintenance.
     * @default - a plain sentence with status 503
     */
    readonly maintenance?: MaintenanceProps;
    /**
     * Smoke tests: asked by routing key before a color is in front, and by customers' addresses after.
     * @default - none; each application's proof path is always asked
     */
    readonly checks?: readonly CheckProps[];
    /**
     * Names of the tests that people do before go / no-go, in order.
     * @default - none
     */
    readonly landingTests?: readonly string[];
    /**
     * How long a roll-back stays possible after the system has opened; then the teardown runs by itself.
     * @default Duration.hours(24)
     */
    readonly hold?: Duration;
    /**
     * How long a cutover watches after the system has opened.
     * @default Duration.hours(1)
     */
    readonly watch?: Duration;
    /**
     * The network.
     * @default - a VPC with public, private and isolated subnets in two availability zones
     */
    readonly vpc?: ec2.IVpc;
    /**
     * NAT gateways of the VPC that is made. With 0 the tasks and the runner reach AWS only through endpoints that you add.
     * @default 1
     */
    readonly natGateways?: number;
    /**
     * An Application Load Balancer to adopt; `listener` must be given with it.
     * @default - one is made
     */
    readonly loadBalancer?: elbv2.IApplicationLoadBalancer;
    /**
     * A listener to adopt. Its other rules and its default action stay as they are.
     * @default - one is made that answers 503 to whatever no rule matches
     */
    readonly listener?: elbv2.IApplicationListener;
    /**
     * Where the 1,000 rule priorities begin that Switchback may use on the listener.
     * @default 1000
     */
    readonly firstPriority?: number;
    /**
     * Certificate for HTTPS on port 443; port 80 then redirects. Needs `domainName`.
     * @default - HTTP on port 80
     */
    readonly certificate?: acm.ICertificate;
    /**
     * The name customers use, for calls between applications when the listener speaks HTTPS.
     * @default - the load balancer's own name
     */
    readonly domainName?: string;
    /**
     * Whether the load balancer that is made has public addresses.
     * @default true
     */
    readonly internetFacing?: boolean;
    /**
     * The header that reaches a color past maintenance, and its value per color. Whoever knows it can use it: a name, not a secret.
     * @default - header `x-switchback`, values `blue` and `green`
     */
    readonly routingKey?: RoutingKeyProps;
    /**
     * Environment variables of every task.
     * @default - only those Switchback sets
     */
    readonly environment?: Readonly<Record<string, string>>;
    /**
     * Secrets of every task, beside DATABASE_URL.
     * @default - none
     */
    readonly secrets?: Readonly<Record<string, ecs.Secret>>;
    /**
     * What happens to the journal and the database when the shared stack is deleted. With DESTROY nothing is protected
     * from deletion, the live color neither: for systems that may vanish.
     * @default RemovalPolicy.RETAIN
     */
    readonly removalPolicy?: RemovalPolicy;
    /**
     * Account and region of every stack.
     * @default - those of the credentials that deploy
     */
    readonly env?: Environment;
}

/** A stack of a system: knows its own content, and never asks an account for anything at synth. */
declare abstract class SystemStack extends Stack {
    readonly part: string;
    readonly system: string;
    get availabilityZones(): string[];
}

/** Task definitions of one color: what is the same in all of them is said once. */
declare class TaskFactory extends Construct {
    /** What tasks may do on AWS; nothing until somebody grants it. */
    readonly taskRole: iam.Role;
    readonly executionRole: iam.Role;
}

declare interface WorkerProps {
    readonly name: string;
    /**
     * @default - the image's own command
     */
    readonly command?: readonly string[];
    /**
     * @default - `image` of the system
     */
    readonly image?: ImageOfRelease;
    /**
     * Never two of it, over both colors together.
     * @default false
     */
    readonly once?: boolean;
    /**
     * How many run while the color is live. A color that is not live runs none.
     * @default 1
     */
    readonly count?: number;
    /**
     * Scales the worker by its CPU while its color is live.
     * @default - it runs `count` tasks
     */
    readonly scaling?: ScalingProps;
    /**
     * @default 256
     */
    readonly cpu?: number;
    /**
     * @default 512
     */
    readonly memory?: number;
    /**
     * Time between SIGTERM and SIGKILL, at most two minutes.
     * @default Duration.seconds(30)
     */
    readonly stopTimeout?: Duration;
    /**
     * @default - only those of the system
     */
    readonly environment?: Readonly<Record<string, string>>;
}

export { Switchback };
export type { ApplicationProps, BridgeColumn, BridgeRows, BridgeSet, Bridges, CheckProps, Color, ColorStack, DatabaseProps, FallbackStack, FrontDoor, ImageOfRelease, MaintenanceProps, MigrationProps, Network, ProductionDatabase, Release, RoutingKeyProps, Runner, ScalingProps, SharedStack, SwitchbackProps, TaskFactory, WorkerProps };
