/** "Next" typed into the state in which it stands: after every kill, every refusal and every ending, the command is accepted there. */
import { type Command, switchback } from '../../lib/base/advice';
import { exit } from '../../lib/base/errors';
import type { Verb } from '../../lib/engine/events';
import { refuseAnswer } from '../../lib/engine/gate';
import type { RunAnswer } from '../../lib/engine/run-options';
import { replyLines } from '../../lib/report/messages';
import { nextCommands } from '../../lib/report/status';
import type { StatusScreen } from '../../lib/report/types';
import { plain } from '../report/night';
import { commandsIn, read, readAs, words } from '../report/typed';
import { forks, killedAnywhere, Night } from './model';

const eve = { who: 'eve', where: 'eve@desk' };
type Asked = { readonly verb: Verb; readonly undo?: boolean };

let [states, typedIn] = [0, 0];
afterAll(() => process.stdout.write(`Next: ${states} states, ${typedIn} commands typed into them\n`));

/** What is wrong with it there: the refusal. A run that begins and fails for another reason was accepted. */
async function refusedIn(night: Night, command: Command): Promise<string | undefined> {
  if (!('verb' in command)) return undefined;
  const { verb, flags } = readAs(command);
  typedIn += 1;
  if (!['stage', 'cutover', 'rollback', 'teardown'].includes(verb) || flags.trafficOnly) return undefined;
  if (flags.answer) {
    const view = await night.view();
    try {
      refuseAnswer(view, { answer: flags.answer, reason: 'r' }, { overrule: flags.overrule ?? false });
      return undefined;
    } catch (error) {
      return String(error);
    }
  }
  const copy = night.copy();
  copy.trouble = undefined;
  const reply = await copy.command(verb as Verb, eve, 'go', { undo: flags.undo ?? false });
  const refusals: readonly number[] = [exit.usage, exit.refused, exit.locked];
  return reply.state === 'stopped' && refusals.includes(reply.exit) ? `${reply.code}: ${reply.message}` : undefined;
}

/** As `status` advises, for what the window is now. */
async function statusNext(night: Night): Promise<Command[]> {
  const view = await night.view();
  const release = (version: string) => ({ version, commit: version });
  const status = {
    ...{ system: 'video', opened: true, live: night.facts.front, maintenance: night.facts.maintenance, production: night.facts.production },
    ...{ productionStatus: 'available', releases: { blue: release('1'), green: release('2') }, holdEndsAt: undefined, lastWindow: 'w1' },
    ...{ window: view.closed === undefined ? view : undefined, readyFor: 'w2', now: night.clock.time },
  } as StatusScreen;
  return nextCommands(status).flatMap(({ command }) => commandsIn(command));
}

/** As the last word of a verb advises. */
function replyNext({ verb, undo = false }: Asked, reply: RunAnswer): Command[] {
  if (reply.state === 'stopped') return reply.next.flatMap(commandsIn);
  return replyLines(verb, { ...reply, window: 'w1' } as never, plain, { undone: undo }).flatMap((line) => {
    const [, typed] = /npx switchback (.*)$/.exec(line) ?? [];
    if (typed === undefined) return [];
    const [name = '', ...rest] = words(typed);
    read([name, ...rest]);
    return [{ verb: name, words: rest } as Command];
  });
}

async function walk(of: string, night: Night, commands: readonly Command[]): Promise<string[]> {
  states += 1;
  const found: string[] = [];
  for (const command of commands) {
    const refused = await refusedIn(night, command);
    if (refused !== undefined) found.push(`${of}: ${JSON.stringify(command)}: ${refused}`);
  }
  return found;
}

describe.each(['window', 'ahead'] as const)('forked %s', (fork) => {
  test.each<[Asked, Asked[]]>([
    [{ verb: 'stage' }, []],
    [{ verb: 'stage', undo: true }, [{ verb: 'stage' }]],
    [{ verb: 'cutover' }, [{ verb: 'stage' }]],
    [{ verb: 'cutover' }, []],
    [{ verb: 'rollback' }, [{ verb: 'stage' }]],
    [{ verb: 'rollback' }, [{ verb: 'stage' }, { verb: 'cutover' }]],
    [{ verb: 'teardown' }, [{ verb: 'stage' }, { verb: 'cutover' }]],
    [{ verb: 'teardown' }, [{ verb: 'stage' }, { verb: 'cutover' }, { verb: 'rollback' }]],
    // refused where it stands: what is advised instead is not.
    [{ verb: 'stage' }, [{ verb: 'stage' }, { verb: 'cutover' }]],
    [{ verb: 'stage', undo: true }, [{ verb: 'stage' }, { verb: 'cutover' }]],
    [{ verb: 'stage', undo: true }, [{ verb: 'stage' }, { verb: 'cutover' }, { verb: 'rollback' }]],
    [{ verb: 'cutover' }, [{ verb: 'stage' }, { verb: 'cutover' }, { verb: 'rollback' }]],
    [{ verb: 'teardown' }, [{ verb: 'stage' }]],
    [{ verb: 'teardown' }, []],
  ])('%j after %j: what is advised at its end, after any kill and after any refusal is accepted', async (asked, before) => {
    const from = await Night.begin(forks[fork]);
    const take = (night: Night, { verb, undo = false }: Asked) => night.command(verb, undefined, 'go', { undo });
    for (const one of before) expect(await take(from, one)).toEqual({ state: 'finished' });
    const wrong: string[] = [];
    const { left, after, reply } = await killedAnywhere(from, (night) => take(night, asked));
    wrong.push(
      ...(await walk('its end', after, replyNext(asked, reply))),
      ...(await walk('status at its end', after, await statusNext(after))),
    );
    for (const [point, night] of left.entries()) wrong.push(...(await walk(`killed at ${point}`, night, await statusNext(night))));
    for (let step = 1; ; step += 1) {
      const night = from.copy();
      let tries = 0;
      night.trouble = () => {
        tries += 1;
        return tries >= step ? new Error('ValidationError: no') : undefined;
      };
      const stopped = await take(night, asked);
      if (tries < step) break;
      expect(stopped.state).toBe('stopped');
      night.clock.time += 61_000;
      wrong.push(...(await walk(`refused at ${step}`, night, replyNext(asked, stopped))));
      wrong.push(...(await walk(`status after a refusal at ${step}`, night, await statusNext(night))));
    }
    expect(wrong).toEqual([]);
  });
});

test('an advice that is refused where it stands is found', async () => {
  const night = await Night.begin(forks.ahead);
  for (const verb of ['stage', 'cutover'] as const) await night.command(verb);
  expect(await refusedIn(night, switchback('stage', '--undo'))).toContain('undo.too-late');
});
