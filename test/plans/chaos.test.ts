/** Nights in which anything happens in any order: whatever it was, one command finishes the window or takes it back. */
import fc from 'fast-check';
import { OutcomeUnknown } from '../../lib/base/errors';
import type { Verb } from '../../lib/engine/events';
import { forks, Night } from './model';

const people = ['ada', 'bob', 'eve'].map((who) => ({ who, where: `${who}@desk` }));

type Happening =
  | { readonly is: 'killed' | 'asleep' | 'watched'; readonly at: number }
  | { readonly is: 'lost-after' | 'lost-before' | 'throttled' | 'refused'; readonly at: number }
  | { readonly is: 'journal-lost' | 'journal-down'; readonly at: number };

const happening: fc.Arbitrary<Happening> = fc.record({
  is: fc.constantFrom<Happening['is'][]>(
    ...(['killed', 'asleep', 'watched', 'lost-after', 'lost-before', 'throttled', 'refused', 'journal-lost', 'journal-down'] as const),
  ),
  at: fc.integer({ min: 1, max: 160 }),
}) as fc.Arbitrary<Happening>;

const commands = fc.array(
  fc.record({
    verb: fc.constantFrom<Verb[]>('stage', 'cutover', 'cutover', 'cutover', 'rollback'),
    by: fc.constantFrom(...people),
    answer: fc.constantFrom<('go' | 'no-go')[]>('go', 'go', 'no-go'),
    happenings: fc.array(happening, { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** One command with what happens to it. Answers the night as it is left: a killed command's world goes on without it. */
async function play(
  night: Night,
  { verb, by, answer, happenings }: typeof commands extends fc.Arbitrary<(infer T)[]> ? T : never,
): Promise<Night> {
  const from = night.points;
  const killed = { left: undefined as Night | undefined };
  let changes = 0;
  night.at = async (point) => {
    for (const { is, at } of happenings) {
      if (point - from !== at || killed.left) continue;
      if (is === 'killed') {
        killed.left = night.copy();
        killed.left.clock.time += 61_000;
      }
      // a laptop that sleeps longer than its lease, and somebody who goes on without it.
      if (is === 'asleep') {
        night.clock.time += 61_000;
        await inBetween(night, () => night.command(verb, people[2], answer));
      }
      if (is === 'watched') await inBetween(night, () => night.command(verb, people[1], answer));
      if (is === 'journal-lost') throw new OutcomeUnknown('s3 PutObject', new Error('socket hang up'), 'look');
    }
    if (happenings.some(({ is, at }) => is === 'journal-down' && point - from > at + 20 && point - from < at + 40))
      throw new Error('503 SlowDown');
  };
  night.trouble = () => {
    changes += 1;
    const found = happenings.find(({ at }) => at % 25 === changes)?.is;
    night.changedBeforeTrouble = found === 'lost-after';
    if (found === 'lost-after' || found === 'lost-before')
      return new OutcomeUnknown('elb SetRulePriorities', new Error('socket hang up'), 'look');
    if (found === 'throttled') return Object.assign(new Error('Rate exceeded'), { name: 'ThrottlingException' });
    return found === 'refused' ? new Error('ValidationError: no') : undefined;
  };
  await night.command(verb, by, answer);
  const goesOn = killed.left ?? night;
  goesOn.at = undefined;
  goesOn.trouble = undefined;
  goesOn.clock.time += 61_000;
  return goesOn;
}

async function inBetween(night: Night, command: () => Promise<unknown>): Promise<void> {
  const { at, trouble } = night;
  night.at = undefined;
  night.trouble = undefined;
  await command();
  night.at = at;
  night.trouble = trouble;
}

test.each(['window', 'ahead'] as const)('forked %s: after any night one command finishes it, and one takes it back', async (fork) => {
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      let night = await Night.begin(forks[fork]);
      for (const command of all) night = await play(night, command);
      expect(night.violations).toEqual([]);
      const view = await night.view();
      if (!view.series.rollback) {
        const on = night.copy();
        // whoever is asked again may overrule a no.
        const no = view.answers.get('gate.go');
        if (no?.answer === 'no-go')
          await on.journal().note('phone', people[0] ?? { who: '', where: '' }, {
            type: 'gate.answered',
            step: 'gate.go',
            answer: 'go',
            reason: 'looked again',
            overrules: { number: no.number, answer: no.answer, who: no.by.who },
          });
        expect(await on.command('cutover', people[0])).toEqual({ state: 'finished' });
        expect(on.facts).toMatchObject({
          front: 'green',
          maintenance: false,
          workers: { blue: 0, green: 1 },
          writers: { 'video-db': ['green'] },
        });
        expect(on.violations).toEqual([]);
      }
      const back = night.copy();
      expect(await back.command('rollback', people[1])).toEqual({ state: 'finished' });
      expect(back.facts).toMatchObject({ front: 'blue', maintenance: false, workers: { blue: 1, green: 0 } });
      expect(back.facts.writers[back.facts.production]).toEqual(['blue']);
      expect(back.violations).toEqual([]);
    }),
    { numRuns: 60, seed: 20261121 },
  );
});
