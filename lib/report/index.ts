/** All printing: data on standard output, messages on standard error, one object per line with --json. */
import { Stop } from '../runbook/errors';
import type { Verb } from '../runbook/events';
import type { Reply } from '../runbook/verbs';
import type { PlanScreen, Screen, StatusScreen } from './types';

export type { PlanScreen, Screen, StatusScreen } from './types';

export interface Output {
  plan(plan: PlanScreen): void;
  status(status: StatusScreen): void;
  screen(verb: Verb): Screen;
  /** The last word of a verb: what the state is and what to type next. */
  reply(verb: Verb, reply: Reply): void;
  /** An error, for the reader at 2 am. */
  failure(error: unknown): void;
  note(text: string): void;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly color: boolean;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

export function makeOutput({ json, stdout, stderr }: OutputOptions): Output {
  const out = (line: string) => void stdout.write(`${line}\n`);
  const err = (line: string) => void stderr.write(`${line}\n`);
  const object = (value: object) => out(JSON.stringify(value));
  return {
    plan(plan) {
      if (json) return object({ event: 'plan', ...plan });
      for (const step of plan.steps)
        out(
          `${step.done ? '✔' : ' '} ${step.id.padEnd(24)} ${step.title} (${step.estimateSeconds} s)${step.pointOfLoss ? '  <- from here a rollback loses writes' : ''}`,
        );
    },
    status({ window, ...status }) {
      if (json) return object({ event: 'status', ...status, window: window?.name });
      out(JSON.stringify({ ...status, window: window?.name }, null, 2));
    },
    screen: () => ({
      events(_view, added) {
        for (const event of added) {
          if (json) object({ event: event.type, ...event });
          else
            err(
              `${event.at} ${event.type} ${'step' in event ? event.step : ''} ${'text' in event ? event.text : ''}${'detail' in event ? (event.detail ?? '') : ''}${'message' in event ? event.message : ''}`,
            );
        }
      },
      tick() {},
      close() {},
    }),
    reply(verb, reply) {
      if (json) return object({ event: `${verb}.${reply.state}`, ...reply });
      err(JSON.stringify(reply));
    },
    failure(error) {
      if (error instanceof Stop) {
        if (json)
          return object({
            event: 'error',
            code: error.code,
            message: error.message,
            state: error.state,
            next: error.next,
            exit: error.exit,
          });
        err(`${error.code}: ${error.message}`);
        if (error.state) err(error.state);
        for (const line of error.next) err(`  ${line}`);
        return;
      }
      err(error instanceof Error ? (error.stack ?? error.message) : String(error));
    },
    note: err,
  };
}
