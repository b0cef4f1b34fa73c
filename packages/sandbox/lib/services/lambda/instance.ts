/** One instance of a function: a Node process that serves one invocation at a time and stays warm in between. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Sandbox } from '../../service';
import { type LogWriter, openLog } from '../logs';
import { type ClockMessage, endMark, type InstanceMessage, type InvokeMessage } from './bootstrap';

/** How an invocation ended. */
export interface Outcome {
  /** JSON: what the handler returned, or what AWS says about its error. */
  readonly payload: string;
  readonly failed: boolean;
  /** What it printed, with Lambda's own lines, for `LogType: Tail`. */
  readonly log: string;
}

export interface InstanceOptions {
  readonly arn: string;
  /** The environment, complete: nothing is added from the sandbox's own. */
  readonly env: Readonly<Record<string, string>>;
  readonly bootstrap: string;
  readonly codeFolder: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly logGroup: string;
  readonly logStream: string;
  /** Rises with every change of code or configuration; an instance of an older one serves nothing more. */
  readonly revision: number;
}

/** Loading the handler is not counted against the function's timeout; on AWS it has ten seconds of its own. */
const initSeconds = 10;
/** How long to wait for output that an invocation announced, if the function closed its pipes. */
const outputMs = 1000;

type Answer = Extract<InstanceMessage, { type: 'answer' }>;

export class Instance {
  busy = false;
  dead = false;
  idleSince = Date.now();
  private readonly child: ChildProcess;
  private readonly log: LogWriter;
  private readonly ended: Promise<string>;
  private readonly closed: Promise<void>;
  private readonly ready: Promise<unknown>;
  private readonly marks = new Set<string>();
  private heard: () => void = () => {};
  private tail = '';

  constructor(
    sandbox: Sandbox,
    readonly options: InstanceOptions,
  ) {
    this.log = openLog(sandbox, options.logGroup, options.logStream);
    this.child = spawn(process.execPath, [`--max-old-space-size=${options.memoryMb}`, options.bootstrap], {
      cwd: options.codeFolder,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.ended = new Promise((resolve) => {
      this.child.on('error', (error) => resolve(`cannot start: ${error.message}`));
      this.child.once('exit', (code, signal) => {
        this.dead = true;
        resolve(signal === null ? `exit status ${code}` : `signal: ${signal === 'SIGKILL' ? 'killed' : signal}`);
      });
    });
    this.closed = new Promise((resolve) => this.child.once('close', () => resolve()));
    this.ready = Promise.race([new Promise((resolve) => this.child.once('message', resolve)), this.ended]);
    this.listen('stdout');
    this.listen('stderr');
  }

  /** Never rejects: whatever goes wrong in a function is an answer, as on AWS. */
  async invoke(requestId: string, event: string): Promise<Outcome> {
    this.busy = true;
    this.tail = '';
    this.print(`START RequestId: ${requestId} Version: $LATEST`);
    const { timeoutSeconds } = this.options;
    let started = Date.now();
    const timers: NodeJS.Timeout[] = [];
    const after = (seconds: number) => new Promise<'late'>((resolve) => timers.push(setTimeout(() => resolve('late'), seconds * 1000)));
    const inTime = await Promise.race([this.ready, after(initSeconds + timeoutSeconds)]);
    started = Date.now();
    let answer: Answer | undefined;
    const answered = new Promise<void>((resolve) => {
      const listener = (message: InstanceMessage) => {
        if (message.type !== 'answer' || message.requestId !== requestId) return;
        this.child.off('message', listener);
        answer = message;
        resolve();
      };
      this.child.on('message', listener);
    });
    const message: InvokeMessage = { requestId, event, deadline: started + timeoutSeconds * 1000, arn: this.options.arn };
    // a process that has just died cannot be sent anything; `ended` tells it.
    if (this.child.connected) this.child.send(message, () => {});
    const end = inTime === 'late' ? 'late' : await Promise.race([answered, after(timeoutSeconds), this.ended]);
    // a process that answers and ends at once may be seen to end first; its last words are still in the pipes.
    if (end !== undefined && end !== 'late') await Promise.race([this.closed, after(outputMs / 1000)]);
    const { payload, failed } = answer ? await this.answered(answer, after) : await this.died(requestId, end ?? '');
    for (const timer of timers) clearTimeout(timer);
    const duration = Math.max(1, Date.now() - started);
    this.print(`END RequestId: ${requestId}`);
    this.print(
      `REPORT RequestId: ${requestId}\tDuration: ${duration}.00 ms\tBilled Duration: ${duration} ms\tMemory Size: ${this.options.memoryMb} MB`,
    );
    await this.log.close();
    this.busy = false;
    this.idleSince = Date.now();
    return { payload, failed, log: this.tail };
  }

  moveClock(ms: number): void {
    const message: ClockMessage = { clockMs: ms };
    if (this.child.connected) this.child.send(message, () => {});
  }

  private async answered(answer: Answer, after: (seconds: number) => Promise<unknown>) {
    if (answer.last) this.dead = true;
    await this.output(answer.requestId, after);
    const { payload, failed, requestId } = answer;
    if (failed) this.print(`${new Date().toISOString()}\t${requestId}\tERROR\tInvoke Error \t${payload}`);
    return { payload, failed };
  }

  /** No answer: the function took too long, or its process ended. */
  private async died(requestId: string, end: string) {
    if (end === 'late') await this.kill();
    const [errorType, message] =
      end === 'late'
        ? ['Sandbox.Timedout', `Task timed out after ${this.options.timeoutSeconds.toFixed(2)} seconds`]
        : ['Runtime.ExitError', `Runtime exited with error: ${end}`];
    this.print(`${new Date().toISOString()} ${requestId} ${message}`);
    return { payload: JSON.stringify({ errorType, errorMessage: `RequestId: ${requestId} Error: ${message}` }), failed: true };
  }

  /** Resolves when the process is gone and its output is in the log. */
  async kill(): Promise<void> {
    this.dead = true;
    this.child.kill('SIGKILL');
    await this.ended;
    await this.log.close();
  }

  /** Waits for both pipes to have delivered everything of this invocation. */
  private async output(requestId: string, after: (seconds: number) => Promise<unknown>): Promise<void> {
    const complete = new Promise<void>((resolve) => {
      this.heard = () => {
        if (this.marks.has(`stdout ${requestId}`) && this.marks.has(`stderr ${requestId}`)) resolve();
      };
      this.heard();
    });
    await Promise.race([complete, this.ended, after(outputMs / 1000)]);
    this.marks.clear();
  }

  private listen(pipe: 'stdout' | 'stderr'): void {
    let rest = '';
    this.child[pipe]?.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const mark = line.indexOf(endMark(''));
        if (mark !== 0) this.print(mark > 0 ? line.slice(0, mark) : line);
        if (mark >= 0) this.marks.add(`${pipe} ${line.slice(mark + 1)}`);
      }
      this.heard();
    });
    this.child[pipe]?.on('end', () => rest && this.print(rest));
  }

  private print(line: string): void {
    this.log.line(line);
    // AWS answers the last 4 KB.
    this.tail = `${this.tail}${line}\n`.slice(-4096);
  }
}
