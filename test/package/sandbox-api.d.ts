declare interface Pair {
    /** `17` */
    readonly major: number;
    /** Of RDS: it makes roles, databases and replication, and is no superuser, as far as this major lets it feed without being one. */
    readonly master: {
        readonly username: string;
        readonly password: string;
    };
    /** @throws Error before the side has been made */
    address(side: PairSide): {
        readonly host: string;
        readonly port: number;
    };
    /** A database that belongs to the master user; `template`: a copy of that one, with the same OIDs. */
    createDatabase(name: string, template?: string): Promise<void>;
    dropDatabase(name: string): Promise<void>;
    /** Makes the replica of everything that is there now. */
    replicate(): Promise<void>;
    promote(): Promise<void>;
    readonly promoted: boolean;
    /** Something as the superuser, in one session. */
    asSuperuser<T>(side: PairSide, database: string, action: (session: PairSession) => Promise<T>): Promise<T>;
    /** Ends both and removes their files. */
    end(): Promise<void>;
}

declare interface PairOptions {
    /** Another major than this package comes with is fetched once. @default - the one it comes with */
    readonly major?: number;
    /** Databases that are fed at the same time: a slot each. @default 1 */
    readonly feeds?: number;
}

/** Statements one after the other; rows as lists of their values. */
declare interface PairSession {
    query(sql: string): Promise<readonly (readonly unknown[])[]>;
}

declare type PairSide = 'primary' | 'replica';

declare interface RunningSandbox {
    /** `http://localhost:<port>` */
    readonly endpoint: string;
    readonly port: number;
    /** What AWS tools need in their environment to talk to this sandbox. */
    readonly env: Readonly<Record<string, string>>;
    /** Calls an operation in process; the answer and the errors are those of the wire. */
    call(service: ServiceName, operation: string, input?: any): Promise<any>;
    /** Ends every process, socket and timer. The state stays in the folder. */
    stop(): Promise<void>;
}

declare interface SandboxOptions {
    /** Where everything lives: state, objects, databases, logs. Made if it is not there. */
    readonly folder: string;
    /** 0: a free one. @default 0 */
    readonly port?: number;
    /** AWS seconds per real second. @default 60 */
    readonly speed?: number;
    /** Folder of the images that ECS tasks run: `video:v1` is `<images>/video/v1`. */
    readonly images?: string | undefined;
    /** What goes wrong from the start: the body that POST /_sandbox/faults takes. @default nothing */
    readonly faults?: unknown;
    /** @default one line each in <folder>/sandbox.log */
    readonly log?: (line: string) => void;
    /** Told every call from outside once it has been answered, reads included: for measuring. */
    readonly onCall?: (call: WireCall) => void;
}

/** The services of the sandbox: what its own code calls them, and what the SDK and signatures do. */
declare type ServiceName = 'sts' | 'iam' | 'cloudformation' | 's3' | 'ssm' | 'secretsmanager' | 'ec2' | 'elbv2' | 'rds' | 'ecs' | 'lambda' | 'scheduler' | 'cloudwatch' | 'logs' | 'autoscaling';

declare interface WireCall {
    readonly service: ServiceName;
    readonly operation: string;
    /** What the client says of itself; a Lambda function's names its runtime. */
    readonly agent: string;
    /** The id of the access key that signed it. */
    readonly key: string;
    /** Milliseconds since the epoch: when it arrived, and when its answer was ready. */
    readonly from: number;
    readonly to: number;
}

/** @param spelled how a person starts it: `npm run sandbox --`, `npx switchback sandbox` */
declare function sandboxCommand(args: readonly string[], spelled: string): Promise<number>;

declare function startPair({ major, feeds }?: PairOptions): Promise<Pair>;

/** Throws SandboxError when the port or the folder is in use. */
declare function startSandbox(options: SandboxOptions): Promise<RunningSandbox>;

export { sandboxCommand, startPair, startSandbox };
export type { Pair, PairOptions, PairSession, PairSide, RunningSandbox, SandboxOptions };
