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
    /** Milliseconds since the epoch: when it arrived, and when its answer was ready. */
    readonly from: number;
    readonly to: number;
}

/** @param spelled how a person starts it: `npm run sandbox --`, `npx switchback sandbox` */
declare function sandboxCommand(args: readonly string[], spelled: string): Promise<number>;

/** Throws SandboxError when the port or the folder is in use. */
declare function startSandbox(options: SandboxOptions): Promise<RunningSandbox>;

export { sandboxCommand, startSandbox };
export type { RunningSandbox, SandboxOptions };
