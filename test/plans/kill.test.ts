/** Every place of every runbook at which a process can end, killed there and taken up by another run of another person. */
import type { Verb } from '../../lib/engine/events';
import { forks, killedAnywhere, Night } from './model';

const eve = { who: 'eve', where: 'eve@desk' };
const finished = { state: 'finished' };

async function nightAfter(fork: 'window' | 'ahead', ...verbs: Verb[]): Promise<Night> {
  const night = await Night.begin(forks[fork]);
  for (const verb of verbs) expect(await night.command(verb)).toEqual(finished);
  expect(night.violations).toEqual([]);
  return night;
}

/** Where a window ends, whichever way it got there. */
function expectRolledBack({ facts, violations }: Night): void {
  expect(violations).toEqual([]);
  const migrated = facts.production === 'video-fallback-w1';
  expect(facts).toMatchObject({
    ...{ front: 'blue', maintenance: false, workers: { blue: 1, green: 0 } },
    reads: { blue: migrated ? 'video-fallback-w1' : 'video-db' },
    writers: { 'video-db': migrated ? [] : ['blue'], 'video-fallback-w1': migrated ? ['blue'] : [] },
  });
  expect(facts.so.filter((step) => /delete|snapshot/.test(step))).toEqual([]);
}

let total = 0;
afterAll(() => process.stdout.write(`kill points tested: ${total}\n`));

test('a stage in the night or after it is refused: the workers it would stop are in use', async () => {
  const night = await nightAfter('window', 'stage', 'cutover');
  expect(await night.command('stage')).toMatchObject({ state: 'stopped', code: 'stage.over', exit: 2 });
  expect(night.facts.workers).toEqual({ blue: 0, green: 1 });
});

describe.each(['window', 'ahead'] as const)('forked %s', (fork) => {
  test.each<[Verb, Verb[]]>([
    ['stage', []],
    ['cutover', ['stage']],
    ['cutover', []],
    ['rollback', ['stage', 'cutover']],
    ['teardown', ['stage', 'cutover']],
    ['teardown', ['stage', 'cutover', 'rollback']],
  ])('%s after %j: killed anywhere, the same command by somebody else ends as if nothing had happened', async (verb, before) => {
    const from = await nightAfter(fork, ...before);
    const { left, after, reply } = await killedAnywhere(from, (night) => night.command(verb));
    expect(reply).toEqual(finished);
    for (const [point, night] of left.entries()) {
      const again = await night.command(verb, eve);
      expect({ point, again, acts: night.acts, violations: night.violations }).toEqual({
        point,
        again: finished,
        acts: after.acts,
        violations: [],
      });
      expect(night.facts).toEqual(after.facts);
      total += 1;
    }
  });

  test('a rollback from every point of the cutover, killed at every point of its own, ends with the old release open', async () => {
    const from = await nightAfter(fork, 'stage');
    const cutover = await killedAnywhere(from, (night) => night.command('cutover'));
    const seen = new Set<string>();
    for (const [point, half] of cutover.left.entries()) {
      const back = half.copy();
      expect({ point, reply: await back.command('rollback', eve) }).toEqual({ point, reply: finished });
      expectRolledBack(back);
      total += 1;
      // of the starting points with the same way back, one is killed everywhere.
      const way = back.acts.slice(half.acts.length).join();
      if (seen.has(way)) continue;
      seen.add(way);
      const rollback = await killedAnywhere(half, (night) => night.command('rollback', eve));
      for (const [at, night] of rollback.left.entries()) {
        const reply = await night.command('rollback');
        expect({ point, at, reply, acts: night.acts }).toEqual({ point, at, reply: finished, acts: rollback.after.acts });
        expectRolledBack(night);
        total += 1;
      }
    }
  });
});
