import { rulesOf, thingFaultOf } from '../../../sandbox/lib/faults/rules';
import { nextCommand } from '../../lib/soak/operator';
import { scenarioOf } from '../../lib/soak/scenario';

describe('what a seed means', () => {
  test('the same night, every time', () => {
    expect(scenarioOf(42)).toEqual(scenarioOf(42));
    expect(scenarioOf(42)).not.toEqual(scenarioOf(43));
  });

  test('over many seeds every way and every kind of blow comes up, and no night is left alone', () => {
    const nights = Array.from({ length: 200 }, (_, seed) => scenarioOf(seed));
    const tries = nights.flatMap((night) => Object.values(night.tries).flat());
    expect(new Set(nights.map(({ way }) => way))).toEqual(new Set(['through', 'no-go', 'midway', 'after opening']));
    expect(new Set(tries.flatMap(({ strikes }) => strikes.map(({ kind }) => kind)))).toEqual(
      new Set(['terminal killed', 'runner killed', 'Ctrl-C', 'second operator', 'take-over', 'faults', 'mishap']),
    );
    for (const night of nights) expect(Object.values(night.tries).flat().length).toBeGreaterThan(0);
  });

  test('everything that goes wrong on a night comes up, in words that the sandbox takes', () => {
    const strikes = Array.from({ length: 500 }, (_, seed) => Object.values(scenarioOf(seed).tries).flat())
      .flat()
      .flatMap((one) => one.strikes);
    const faults = strikes.flatMap((strike) => (strike.kind === 'faults' ? strike.faults : []));
    const mishaps = strikes.flatMap((strike) => (strike.kind === 'mishap' ? [strike.mishap] : []));
    rulesOf({ rules: faults });
    for (const { what, to, seconds } of mishaps) thingFaultOf({ kind: what, target: to, seconds });
    const come = [
      ...faults.map(({ service, operation, kind, factor }) => `${kind} ${service} ${operation}${factor === 20 ? ' ×20' : ''}`),
      ...mishaps.map(({ what, to }) => `${what} ${to}`),
    ];
    for (const each of [
      'throttle elbv2 SetRulePriorities',
      'throttle rds PromoteReadReplica',
      'error ecs UpdateService',
      'lost elbv2 SetRulePriorities',
      'slow elbv2 SetRulePriorities',
      'long rds PromoteReadReplica ×20',
      'flap green',
      'ignores-sigterm ecs StopTask',
      'restart production',
      'crash fallback',
      'slot production',
      'refuse s3 PutObject',
      'clock runner',
    ])
      expect(come).toContain(each);
  });

  test('where a window is to be taken back its feed is left alone: nobody here gives up writes', () => {
    const nights = Array.from({ length: 500 }, (_, seed) => scenarioOf(seed));
    const feedless = nights.filter(({ tries }) => JSON.stringify(tries).includes('"slot"'));
    expect(new Set(feedless.map(({ way }) => way))).toEqual(new Set(['through']));
  });
});

describe('a person does what the last lines say', () => {
  const typed = { verb: 'cutover', args: ['--answer', 'go'] } as const;

  test('the verb they want comes first, whatever order the advice has', () => {
    expect(nextCommand('cutover', typed, ['npm run rollback', 'or, when the reason is gone: npm run cutover'])).toEqual({
      verb: 'cutover',
      args: [],
    });
    expect(nextCommand('rollback', typed, ['npm run cutover', 'npm run rollback'])).toEqual({ verb: 'rollback', args: [] });
  });

  test('"the same command again" is what was typed', () => {
    expect(nextCommand('cutover', typed, ['aws ecs describe-tasks --tasks x', 'then the same command again'])).toEqual(typed);
    expect(
      nextCommand('cutover', typed, ['run the same command again', 'run it with --here from a place that reaches the database']),
    ).toEqual(typed);
  });

  test('flags belong to the command; what follows it in the sentence does not', () => {
    expect(nextCommand('cutover', typed, ['npm run cutover -- --answer go --reason "<why>"'])).toEqual({
      verb: 'cutover',
      args: ['--answer', 'go', '--reason', '<why>'],
    });
    expect(nextCommand('rollback', typed, ['npm run rollback, if green is to serve again'])).toEqual({ verb: 'rollback', args: [] });
    expect(nextCommand('teardown', typed, ['wait: the schedule does it', 'npm run teardown -- --now'])).toEqual({
      verb: 'teardown',
      args: ['--now'],
    });
  });

  test('the installed command is understood as well', () => {
    expect(nextCommand('cutover', typed, ['npx switchback cutover --answer go --reason "<why>"'])).toEqual({
      verb: 'cutover',
      args: ['--answer', 'go', '--reason', '<why>'],
    });
    expect(nextCommand('cutover', typed, ['or npx switchback stage --undo, and stage anew'])).toEqual({ verb: 'stage', args: ['--undo'] });
    expect(nextCommand('rollback', typed, ['npx switchback status --watch', 'npx switchback rollback --take-over'])).toEqual({
      verb: 'rollback',
      args: ['--take-over'],
    });
    expect(nextCommand('rollback', typed, ['npx switchback rollback compares every row'])).toEqual({ verb: 'rollback', args: [] });
    expect(nextCommand('cutover', typed, ['npx switchback cutover --up-by <a later hour>'])).toEqual({
      verb: 'cutover',
      args: ['--up-by', '<a later hour>'],
    });
    expect(nextCommand('rollback', typed, ['npx switchback rollback --accept-loss, or go on without a way back'])).toBeUndefined();
  });

  test('a no-go is not overruled because its last line says how', () => {
    const next = ['npm run status -- --watch', 'to overrule it: npm run cutover -- --answer go --overrule --reason "<why>"'];
    expect(nextCommand('cutover', typed, next)).toEqual({ verb: 'status', args: ['--watch'] });
  });

  test('a night that cannot go on is taken back; losing writes is never the way', () => {
    expect(nextCommand('cutover', typed, ['npm run rollback'])).toEqual({ verb: 'rollback', args: [] });
    expect(nextCommand('rollback', typed, ['npm run rollback -- --accept-loss'])).toBeUndefined();
    const accept = (id: string) => [
      `npx switchback rollback --accept-difference public.a:gone --accept-difference ${id} --reason "<why>"`,
      'npx switchback status',
    ];
    expect(nextCommand('teardown', { verb: 'teardown', args: ['--now'] }, accept('written-since-opening'))).toEqual({
      ...{
        verb: 'rollback',
        args: ['--accept-difference', 'public.a:gone', '--accept-difference', 'written-since-opening', '--reason', '<why>'],
      },
    });
    // rows that are different nobody accepts who wants to know that none are.
    for (const id of ['public.b:different', 'written-behind:745', 'sequence:public.s'])
      expect(nextCommand('teardown', { verb: 'teardown', args: ['--now'] }, accept(id))).toEqual({ verb: 'status', args: [] });
  });

  test('advice that leads nowhere is told as that', () => {
    expect(nextCommand('teardown', typed, ['npm run cutover', 'look at the bucket'])).toBeUndefined();
  });
});
