/**
 * `rollback --traffic-only`: the old color's rules in front, from this process, with one parameter and the load
 * balancer alone. For the moment when the journal, the runner or the databases cannot be reached; so nothing here may
 * load or ask for any of them, and everything that is not needed for the switch comes after it.
 */
import { hostname, userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { makeClients } from '../aws/clients';
import { EmergencyParameter } from '../aws/emergency';
import { explain, explainFirst } from '../aws/explain';
import { isPassing } from '../aws/outcome';
import { say, switchback } from '../base/advice';
import { type Clock, SharedClock } from '../base/clock';
import { exit, messageOf, OutcomeUnknown, Stop } from '../base/errors';
import { retryMs } from '../base/journal-store';
import { oneLine, plain } from '../base/plain-text';
import { type Emergency, emergencyMoves } from '../manifest/emergency';
import { spell } from '../report/advice';
import { failureLines } from '../report/messages';
import { type Style, styleFor, wrap } from '../report/style';
import { confirm } from './gate';
import { refuseWrongWords, type VerbTaken } from './words';

interface Flags {
  readonly system?: string | undefined;
  readonly by?: string | undefined;
  readonly reason?: string | undefined;
  readonly yes?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Customers are waiting: what AWS has not answered by then is looked at again. */
const answerMs = 5000;

/** Runs `rollback --traffic-only …`; answers its exit code. */
export async function emergency(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const style = styleFor(process.stderr, !args.includes('--no-color'));
  try {
    const flags = flagsOf(args);
    const tell = (event: string, values: object, lines: readonly string[]) =>
      json
        ? process.stdout.write(`${JSON.stringify({ event, ...plain(values) })}\n`)
        : process.stderr.write(
            `${plain(lines)
              .flatMap((line) => fitted(line, style))
              .join('\n')}\n`,
          );
    const clock = new SharedClock();
    // with something to ask before a change, the SDK leaves one whose answer was lost to us: it is looked at first.
    const clients = makeClients(
      () => async () => undefined,
      (date, tookMs) => clock.heard(date, tookMs),
      answerMs,
      // asked again below, with a word about it.
      1,
    );
    await switchBack(new EmergencyParameter(clients), clock, flags, tell);
    return exit.done;
  } catch (error) {
    const explained = plain(explain(error));
    const { code, next, exit: exitCode } = explained instanceof Stop ? explained : { code: 'switchback.bug', next: [], exit: exit.failed };
    if (json)
      process.stdout.write(
        `${JSON.stringify({ event: 'error', code, message: messageOf(explained), next: next.map(spell), exit: exitCode })}\n`,
      );
    else process.stderr.write(`${failureLines(explained, style).join('\n')}\n`);
    return exitCode;
  }
}

type Tell = (event: string, values: object, lines: readonly string[]) => void;

async function switchBack(parameter: EmergencyParameter, clock: Clock, flags: Flags, tell: Tell): Promise<void> {
  const found = await persist(clock, tell, async () =>
    flags.system === undefined ? onlyOne(await parameter.all()) : parameter.read(flags.system),
  );
  const { system, window, from } = found ?? {};
  if (!found || !window || !from) {
    throw new Stop(
      'emergency.no-window',
      `no window of ${flags.system ?? system ?? 'any system'} is open: there is no color to go back to`,
      {
        next: [switchback('status')],
        exit: exit.usage,
      },
    );
  }
  if (!flags.yes) {
    await asked(found);
    // somebody may have thought for minutes: the window can be over by now, and the color to go back to being deleted. Where AWS no
    // longer answers, the first answer counts: this command is for such a day.
    unchanged(found, await parameter.read(found.system).catch(() => found));
  }
  const wanted = emergencyMoves(found);
  let moved = 0;
  // a lost answer, or a rule that changed between looking and moving: what is so now is looked at, and the rest is moved.
  await persist(clock, tell, async () => {
    const moves = await parameter.toMove(wanted);
    await parameter.move(moves);
    moved += moves.reduce((sum, { priorities }) => sum + priorities.length, 0);
  });
  const seconds = Math.round(performance.now()) / 1000;
  tell('rollback.traffic-only', { system, window, live: from, rules: moved, seconds }, [
    `✔ ${from}'s rules are in front and the maintenance answer is parked: ${moved === 0 ? 'it was so already' : `${moved} rules moved`}, ${seconds} s after the start`,
    `  customers: ${from}, READ-ONLY from now on where a database has been fenced; no database was touched. What they see: ${spell(switchback('status'))}`,
  ]);
  await leaveNote(parameter, clock, found, flags, tell);
  const [look, back] = [spell(switchback('status')), spell(switchback('rollback'))];
  tell('rollback.traffic-only.next', { next: [look, back] }, ['', 'Next', `  ${look}`, `  ${back}   (workers, databases and the rest)`]);
}

/** Asks AWS again while the reason may pass, once for any other. @throws Stop `emergency.unanswered`, `aws.unreachable`, … */
async function persist<T>(clock: Clock, tell: Tell, what: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await what();
    } catch (error) {
      const passing = error instanceof OutcomeUnknown || isPassing(error);
      if (explain(error) instanceof Stop || !(passing || tries === 0)) throw error;
      const pause = retryMs[tries];
      if (pause === undefined) throw unanswered(error, tries + 1);
      if (passing && tries === 0)
        tell('rollback.traffic-only.again', { message: messageOf(error) }, [`  AWS is asked again for some seconds: ${messageOf(error)}`]);
      await clock.pause(passing ? pause : 0);
    }
  }
}

function unanswered(error: unknown, tries: number): unknown {
  const unknown = error instanceof OutcomeUnknown;
  const explained = unknown ? error : explainFirst(error);
  if (explained instanceof Stop) return explained;
  return new Stop('emergency.unanswered', `${messageOf(error)}; tried ${tries} times`, {
    state: unknown ? 'Whether the rules have moved cannot be told.' : 'The last try moved nothing.',
    next: [say`the same command again: it looks before it moves anything`, switchback('status')],
    exit: unknown ? exit.unknown : exit.failed,
    cause: error,
  });
}

const fitted = (line: string, { columns }: Style): string[] =>
  wrap(line.trim(), columns - 2).map((part, n) => (n > 0 || line.startsWith(' ') ? `  ${part}` : part));

/** A cutover that still runs sees the order of the rules, and this; one that was about to move them is overruled once. */
async function leaveNote(parameter: EmergencyParameter, clock: Clock, found: Emergency, flags: Flags, tell: Tell): Promise<void> {
  const by = flags.by ?? `${userInfo().username}@${hostname()}`;
  try {
    await parameter.write({ ...found, used: { at: new Date(clock.now()).toISOString(), by, reason: flags.reason } });
    const back = await parameter.toMove(emergencyMoves(found));
    const rules = back.reduce((sum, { priorities }) => sum + priorities.length, 0);
    if (rules === 0) return;
    await parameter.move(back);
    tell('rollback.traffic-only.overruled', { rules }, [
      `  A run had moved ${rules} rules meanwhile; they were moved back, and it has been told to stop.`,
    ]);
  } catch (error) {
    const message = messageOf(error);
    tell('rollback.traffic-only.not-noted', { message }, [
      `  A run that is under way could not be told (${message}); it stops when it next looks at the order of the rules.`,
    ]);
  }
}

function onlyOne(all: readonly Emergency[]): Emergency | undefined {
  const open = all.filter(({ window }) => window !== undefined);
  if (open.length > 1) {
    throw new Stop('system.which', `several systems have a window open: ${open.map(({ system }) => system).join(', ')}`, {
      next: open.map(({ system }) => switchback('rollback', '--traffic-only', `--system ${system}`)),
      exit: exit.usage,
    });
  }
  return open[0];
}

async function asked({ system, window, from }: Emergency): Promise<void> {
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    throw new Stop('confirm.no-terminal', 'a rollback changes what customers see, and there is no terminal to ask', {
      next: [switchback('rollback', '--traffic-only', '--yes')],
      exit: exit.usage,
    });
  }
  process.stderr.write('Only the rules move. After a fence, customers read with the old release and\ncannot write.\n');
  if (!(await confirm(`Put ${from} in front of ${system} (${window})? Type ${system} to go on: `, system)))
    throw new Stop('confirm.declined', 'nothing was changed', { exit: exit.aborted });
}

function unchanged({ system, window, from }: Emergency, now: Emergency | undefined): void {
  if (now?.window === window && now?.from === from) return;
  throw new Stop(
    'emergency.no-window',
    now?.window ? `${window} of ${system} is over; ${now.window} is open now` : `${window} of ${system} was closed while you were asked`,
    { state: 'Nothing was moved.', next: [switchback('status')], exit: exit.usage },
  );
}

/** All that it takes, besides what every rollback takes and it has no use for. */
const taken: VerbTaken = {
  verb: 'rollback',
  options: [
    ...['--traffic-only', '--yes', '--json', '--here', '--no-color'].map((long) => ({ long })),
    ...[
      { long: '--system', value: '<name>' },
      { long: '--by', value: '<name>' },
      { long: '--reason', value: '<text>' },
    ],
  ],
};

/** @throws Stop `usage` */
export function flagsOf(args: readonly string[]): Flags {
  refuseWrongWords(args, taken, [taken]);
  const flag = { type: 'boolean' } as const;
  const text = { type: 'string' } as const;
  const options = { 'traffic-only': flag, yes: flag, json: flag, here: flag, 'no-color': flag, system: text, by: text, reason: text };
  const { values } = parseArgs({ args: [...args], options, strict: true });
  // into the parameter, for whoever's run is overruled.
  return { ...values, ...(values.by && { by: oneLine(values.by) }), ...(values.reason && { reason: oneLine(values.reason) }) };
}
