/**
 * All printing: data on standard output, messages on standard error, one object per line with --json. What is printed
 * is made by pure functions beside this file.
 */

import { exit, Stop } from '../base/errors';
import { oneLine, plain } from '../base/plain-text';
import { isNote, type JournalEvent, type Verb } from '../engine/events';
import { undoneOutcome } from '../engine/milestones';
import type { WindowView } from '../engine/window-view';
import type { CheckReport } from '../operations/check-report';
import type { Reply } from '../operations/request';
import { bellOf, failureNews, newsOf } from './bell';
import { type CustomersPicture, customersLines, customersOf } from './customers';
import { Block } from './draw';
import { gateLines } from './gate';
import { checkScreen } from './health-check';
import { jsonCheck, jsonEvent, jsonFailure, jsonPlan, jsonReply, jsonStatus } from './json';
import { liveScreen } from './live';
import { deletedBy, type Ending, eventText, failureLines, replyLines } from './messages';
import { PlainLog } from './plain';
import { planScreen } from './plan';
import { nextCommands, statusScreen } from './status';
import { localTimes, type Style, styleFor, wrap } from './style';
import type { PlanScreen, Screen, StatusScreen } from './types';

export type { PlanScreen, Screen, StatusScreen } from './types';

export interface Output {
  plan(plan: PlanScreen): void;
  status(status: StatusScreen): void;
  check(report: CheckReport): void;
  /** What customers see, as it was looked at just now: drawn by what follows a run, and said by every last word. */
  saw(seen: Pick<CustomersPicture, 'seen' | 'releases'>): void;
  /** Follows one run; events of other runs of the window are left out. `watching`: somebody else's, which goes on when this ends. */
  screen(verb: Verb, run?: string, watching?: boolean): Screen;
  /** The last word of a verb: what the state is and what to type next. */
  reply(verb: Verb, reply: Reply, how?: { readonly undo: boolean }): void;
  /** An error, for the reader at 2 am. */
  failure(error: unknown): void;
  note(text: string): void;
}

/** A line on which a person is asked something, below the view. */
export interface Question {
  /** Writes it again, with what has been typed. */
  prompt(preserveCursor: boolean): void;
  /** Which of the lines of one question it is: each stands below the one before. @default 0 */
  readonly line?: number;
  /** The view above it stands still: what is typed may take several rows, or nothing is being read. @default false */
  readonly still?: boolean;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly color: boolean;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The line on which a person is being asked something, to be written again below what is said meanwhile; undefined while nobody is. */
  readonly question?: () => Question | undefined;
}

/** Whatever comes in was written by others: plain text from here on. */
export function makeOutput(options: OutputOptions): Output {
  const output = outputOf(options);
  const ring = bellOf(options);
  return {
    plan: (plan) => output.plan(plain(plan)),
    status: (status) => output.status(plain(status)),
    check: (report) => output.check(plain(report)),
    screen(verb, run, watching) {
      const screen = output.screen(verb, run, watching);
      return {
        ...screen,
        events(view, added) {
          screen.events(plain(view), plain(added));
          ring(newsOf(view, added));
        },
      };
    },
    reply(verb, reply, how) {
      output.reply(verb, plain(reply), how);
      if (reply.state === 'stopped') ring(failureNews(reply, `${verb} of ${reply.window ?? 'the window'}`));
    },
    failure(error) {
      output.failure(plain(error));
      ring(failureNews(error instanceof Stop ? error : { code: 'switchback.bug', exit: exit.failed }));
    },
    saw: (seen) => output.saw(plain(seen)),
    note: (text) => output.note(oneLine(text)),
  };
}

function outputOf({ json, color, stdout, stderr, env = process.env, question = () => undefined }: OutputOptions): Output {
  const print = (stream: NodeJS.WriteStream) => (lines: readonly string[]) => {
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
  };
  const out = print(stdout);
  const err = print(stderr);
  const object = (value: object) => out([JSON.stringify(value)]);
  const messages = () => styleFor(stderr, color);
  const live = stderr.isTTY === true && !env['CI'] && env['TERM'] !== 'dumb';
  let following: LiveScreen | undefined;
  let log: PlainLog | undefined;
  let picture: CustomersPicture | undefined;
  let view: WindowView | undefined;
  const known = () => picture && { ...picture, view };
  /** By the clock of whoever tells us; this machine's own may be wrong. */
  let ticked = 0;
  const time = () => Math.max(ticked, picture?.seen.at ?? 0);
  const lines = (style: Style) => customersLines(known(), time(), style);
  const customers = () => {
    const its = known();
    return its && customersOf(its, time());
  };

  return {
    plan: (plan) => (json ? object(jsonPlan(plan)) : out(['', ...planScreen(plan, styleFor(stdout, color)), ''])),
    status: (status) =>
      json ? object(jsonStatus(status, nextCommands(status))) : out(['', ...statusScreen(status, styleFor(stdout, color)), '']),
    check: (report) => (json ? object(jsonCheck(report)) : out(['', ...checkScreen(report, styleFor(stdout, color)), ''])),
    screen(_verb, run, watching = false) {
      // notes concern this run from its beginning on; what was seen before is the status's to tell.
      let begun = run === undefined;
      const mine = (added: readonly JournalEvent[]) =>
        added.filter((event) => {
          begun ||= event.run === run;
          return run === undefined || event.run === run || (begun && isNote(event));
        });
      const of = (its: WindowView, added: readonly JournalEvent[]) => {
        view = its;
        return mine(added);
      };
      const tick = (draw: (at: number) => void) => (at: number) => {
        ticked = at;
        draw(at);
      };
      if (json) return { events: (its, added) => of(its, added).map(jsonEvent).forEach(object), tick: tick(() => undefined), close() {} };
      if (!live) {
        const its = new PlainLog(messages());
        log = its;
        return { events: (seen, added) => err(its.events(seen, of(seen, added))), tick: tick((at) => err(its.tick(at))), close() {} };
      }
      const screen = new LiveScreen(new Block(stderr), messages, question, watching);
      following = screen;
      return {
        events: (seen, added) => screen.events(seen, of(seen, added)),
        tick: tick((at) => screen.draw(at)),
        close() {
          screen.drawAgain();
          following = undefined;
        },
      };
    },
    saw(seen) {
      const before = customers();
      picture = seen;
      following?.saw(picture);
      const after = customers();
      if (
        after === undefined ||
        (before?.see === after.see && before.release === after.release && before.readOnly?.by === after.readOnly?.by)
      )
        return;
      if (json) object({ event: 'customers', ...after });
      else if (log && !following) err(log.customers(lines(messages()), time()));
    },
    reply(verb, reply, how) {
      const ending: Ending = {
        undone: how?.undo === true || (verb === 'stage' && view?.closed === undoneOutcome),
        deleted: deletedBy(view, verb),
      };
      if (json) object(jsonReply(verb, reply, { ...ending, customers: customers() }));
      else {
        const gate = reply.state === 'gate' && view ? gateLines(view, known(), time(), messages(), { commands: false }) : [];
        err(['', ...replyLines(verb, reply, messages(), { ...ending, gate, customers: lines(messages()) })]);
      }
    },
    failure: (error) => (json ? object(jsonFailure(error, customers())) : err(failureLines(error, messages(), lines(messages())))),
    note(text) {
      const said = localTimes(text, messages());
      if (following) following.note(said);
      else err(wrap(said, messages().columns));
    },
  };
}

/** A live view on a terminal: drawn over itself, also above the line on which a person is asked. */
class LiveScreen {
  private view: WindowView | undefined;
  private customers: CustomersPicture | undefined;
  private readonly seen: JournalEvent[] = [];
  private noted: string[] = [];
  /** The line of a question that stands right below the view. */
  private above: number | undefined;
  /** What time it was at the last drawing, by the clock of whoever calls: this machine's own may be wrong. */
  private now = 0;

  constructor(
    private readonly block: Block,
    private readonly style: () => Style,
    private readonly question: NonNullable<OutputOptions['question']>,
    private readonly watching: boolean,
  ) {}

  events(view: WindowView, added: readonly JournalEvent[]): void {
    this.view = view;
    this.seen.push(...added);
    const last = added.at(-1);
    if (!last) return;
    if (this.question())
      for (const event of added) {
        const text = eventText(event, view.current?.plan ?? [], this.style(), view.uncounted);
        if (text !== undefined) this.note(text);
      }
    this.draw(Math.max(this.now, Date.parse(last.at)));
  }

  saw(customers: CustomersPicture): void {
    this.customers = customers;
  }

  drawAgain(): void {
    this.draw(this.now);
  }

  draw(now: number): void {
    this.now = now;
    const question = this.question();
    if (question?.still) {
      this.block.leave();
      return;
    }
    // after an answer the view begins anew below it.
    const line = question ? (question.line ?? 0) : undefined;
    if (this.above !== undefined && this.above !== line) this.block.leave();
    this.above = line;
    const style = this.style();
    const notes = this.noted.flatMap((text) => wrap(text, style.columns));
    const room = { ...style, rows: style.rows - notes.length - (question ? 1 : 0) };
    // before the first event of this run there may be others' in the view: not ours to draw.
    const lines =
      this.view && this.seen.length > 0
        ? liveScreen({ view: this.view, events: this.seen, customers: this.customers, watching: this.watching }, now, room)
        : ['asking the runner …'];
    if (this.block.show([...lines, ...notes], question !== undefined)) question?.prompt(true);
  }

  note(text: string): void {
    const question = this.question();
    if (question?.still) {
      // what has been typed so far stays on its line.
      this.block.above(text);
      question.prompt(true);
    } else this.noted = [...this.noted, text].slice(-2);
  }
}
