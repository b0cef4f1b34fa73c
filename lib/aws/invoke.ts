/** Functions, asked: whether one ran has three answers, and AWS has many words for each. */
import { InvokeCommand, type InvokeCommandInput, type InvokeCommandOutput } from '@aws-sdk/client-lambda';
import { deploy, say, switchback } from '../base/advice';
import type { Clock } from '../base/clock';
import { exit, messageOf, Stop } from '../base/errors';
import type { SharedPart } from '../manifest/schema';
import { stackName } from '../manifest/stack-names';
import type { Clients } from './clients';
import { explain } from './explain';
import { isAws, isClientFault, isThrottle, isUnanswered } from './outcome';

/** How long a runner at work for somebody else is asked again. */
const busyMs = 10_000;
/** How long a function that slept is waited for: AWS makes its network interfaces anew, which takes a minute or two. */
const wakingMs = 5 * 60_000;
/** Between two questions. */
const againMs = { busy: 250, waking: 2000 };

/**
 * It did not run, and will after a while. AWS takes the network interfaces of a function in a VPC back when it has not been asked for some
 * days (users report about 14), and windows are weeks apart; the rest is load. Most of them come with the status 502.
 * Source: Lambda's API model of Invoke, "function states", aws/aws-cdk#20123, boto/boto3#3788.
 */
const waking = [
  'ResourceNotReadyException',
  'ENINotReadyException',
  'CodeArtifactUserPendingException',
  'SubnetIPAddressLimitReachedException',
  'ENILimitReachedException',
  'EC2ThrottledException',
];

/** It did not run, and will not by asking again: those that come with a status of 5xx, which otherwise leaves open whether it ran. */
const cannotStart = [
  'EC2AccessDeniedException',
  'EC2UnexpectedException',
  'InvalidRuntimeException',
  'InvalidSecurityGroupIDException',
  'InvalidSubnetIDException',
  'InvalidZipFileException',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
];

export class Functions {
  constructor(
    private readonly clients: Pick<Clients, 'lambda'>,
    private readonly clock: Clock,
    /** Told what keeps it waiting. */
    private readonly say: (text: string) => void,
  ) {}

  /**
   * Asks the runner; resolves with what its handler answered.
   * @throws Stop `runner.busy` when another invocation is under way, `runner.failed` with what the function said, `runner.asleep` and
   *   `runner.cannot-start` when it did not run, `runner.missing`, and `runner.unanswered` when it may be at work and its answer was lost
   */
  async invokeRunner<T>(shared: Pick<SharedPart, 'runner' | 'stackPath'>, event: unknown): Promise<T> {
    const name = shared.runner;
    try {
      const answer = await this.invoke({ FunctionName: name, Payload: JSON.stringify(event) });
      const text = answer.Payload ? Buffer.from(answer.Payload).toString() : 'null';
      if (answer.FunctionError) {
        const { errorMessage } = JSON.parse(text) as { errorMessage?: string };
        throw new Stop('runner.failed', `the runner ${name} stopped: ${errorMessage ?? text}`, {
          state: 'What it had done is in the journal; asking it again goes on from there.',
          next: [say`run the same command again`, say`run it with --here from a place that reaches the database`],
        });
      }
      return JSON.parse(text) as T;
    } catch (error) {
      throw error instanceof Stop ? error : whyNot(error, shared);
    }
  }

  /** Has AWS keep the event for a function, and run it by itself. @throws the SDK's error when it was not taken */
  async enqueue(functionName: string, event: unknown): Promise<void> {
    await this.invoke({ FunctionName: functionName, InvocationType: 'Event', Payload: JSON.stringify(event) });
  }

  /** Asked again only after an answer that says that it did not run. */
  private async invoke(input: InvokeCommandInput): Promise<InvokeCommandOutput> {
    const begun = this.clock.elapsed();
    let told = false;
    for (;;) {
      try {
        return await this.clients.lambda.send(new InvokeCommand(input));
      } catch (error) {
        const isWaking = isAws(error, ...waking);
        // a look at the feed (operations/feed-watch.ts) takes the one runner for a few seconds; a rollback must not be refused for that.
        const isBusy = isAws(error, 'TooManyRequestsException');
        if (!(isWaking || isBusy) || this.clock.elapsed() - begun > (isWaking ? wakingMs : busyMs)) throw error;
        if (isWaking && !told)
          this.say(`${input.FunctionName} has not been asked for a while: AWS makes it ready, which takes a minute or two`);
        told ||= isWaking;
        await this.clock.pause(isWaking ? againMs.waking : againMs.busy);
      }
    }
  }
}

/** Why the runner gave no answer, as a Stop where it is one of ours to explain. */
function whyNot(error: unknown, shared: Pick<SharedPart, 'runner' | 'stackPath'>): unknown {
  const name = shared.runner;
  const didNotRun = 'It did not run: nothing was changed.';
  if (isAws(error, 'TooManyRequestsException') || isThrottle(error)) {
    return new Stop('runner.busy', `the runner ${name} is at work for somebody else`, {
      next: [switchback('status')],
      exit: exit.locked,
      cause: error,
    });
  }
  if (isAws(error, 'ResourceNotFoundException')) {
    return new Stop('runner.missing', `there is no runner function ${name}`, {
      next: [deploy(stackName({ shared }, 'shared')), say`the same command with --here`],
      exit: exit.usage,
      cause: error,
    });
  }
  if (isAws(error, ...waking)) {
    return new Stop(
      'runner.asleep',
      `the runner ${name} is not ready after ${wakingMs / 60_000} minutes: ${nameOf(error)}: ${messageOf(error)}`,
      {
        state: didNotRun,
        next: [say`look at its state and its subnets' free addresses`, say`then the same command again`, say`or with --here`],
        cause: error,
      },
    );
  }
  if (isExplained(error)) return error;
  if (isAws(error, ...cannotStart) || isClientFault(error)) {
    return new Stop('runner.cannot-start', `AWS cannot start the runner ${name}: ${nameOf(error)}: ${messageOf(error)}`, {
      state: didNotRun,
      next: [deploy(stackName({ shared }, 'shared')), say`then the same command again`, say`or with --here`],
      cause: error,
    });
  }
  if (isUnanswered(error)) {
    return new Stop('runner.unanswered', `lambda Invoke ${name}: the answer was lost (${messageOf(error)})`, {
      state: 'The runner may be at work: what it does is in the journal.',
      next: [switchback('status', '--watch'), say`then the same command again`],
      exit: exit.unknown,
      cause: error,
    });
  }
  return error;
}

/** No credentials, no right, no sandbox: the command says it. */
const isExplained = (error: unknown): boolean => explain(error) instanceof Stop;
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'Error');
