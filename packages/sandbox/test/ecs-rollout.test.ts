import { nextMove, type RolloutTask } from '../lib/services/ecs/rollout';

/** `p` a task of the newest deployment, `o` of an older one; upper case: healthy; `x` behind it: stopping. */
const tasks = (text: string): RolloutTask[] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((word, index) => ({
      id: `${word}${index}`,
      primary: word.toLowerCase().startsWith('p'),
      wanted: !word.endsWith('x'),
      healthy: /^[PO]$/.test(word),
    }));
const move = (text: string, desired: number, minimumHealthyPercent: number, maximumPercent: number) => {
  const { start, stop } = nextMove(tasks(text), { desired, minimumHealthyPercent, maximumPercent });
  return `+${start} -${stop.join(' ')}`;
};

test.each([
  ['a new service starts its count', '', 2, 100, 200, '+2 -'],
  ['100/200 starts all new tasks first', 'O O', 2, 100, 200, '+2 -'],
  ['… waits until they are healthy', 'O O p p', 2, 100, 200, '+0 -'],
  ['… stops one old task per healthy new one', 'O O P p', 2, 100, 200, '+0 -O0'],
  ['… and those that are left', 'Ox O P P', 2, 100, 200, '+0 -O1'],
  ['0/100 stops first', 'O', 1, 0, 100, '+0 -O0'],
  ['… starts nothing while the old task is stopping', 'ox', 1, 0, 100, '+0 -'],
  ['… and then starts', '', 1, 0, 100, '+1 -'],
  ['50/100 replaces half at a time', 'O O O O', 4, 50, 100, '+0 -O0 O1'],
  ['… starts as many as have stopped', 'O O', 4, 50, 100, '+2 -'],
  ['100/150 of one cannot start a second: it stays as it is', 'O', 1, 100, 150, '+0 -'],
  ['old tasks that never became healthy make room at once', 'o o', 2, 100, 100, '+0 -o0 o1'],
  ['an old task that died is replaced by a new one', 'O', 2, 100, 100, '+1 -'],
  ['scaling out starts what is missing', 'P', 3, 100, 200, '+2 -'],
  ['scaling in stops what does not serve yet, then the newest', 'P P p', 1, 100, 200, '+0 -p2 P1'],
  ['scaling to zero stops everything', 'P O p', 0, 100, 200, '+0 -O1 p2 P0'],
  ['a task that is still stopping does not keep a new one from starting', 'px', 1, 0, 100, '+1 -'],
] as const)('%s', (_name, alive, desired, minimum, maximum, expected) => {
  expect(move(alive, desired, minimum, maximum)).toBe(expected);
});
