import { frontProblems, whoAnswers } from '../../lib/soak/invariants';
import { parseXml, type Rule } from '../../lib/soak/observer';

const color = (group: string) => ({
  user: '',
  secret: '',
  readerSecret: '',
  stack: '',
  release: '',
  groups: [group],
  migration: '',
  applications: [],
  workers: [],
});
const facts = { blue: color('b'), green: color('g') };
const rule = (priority: number, paths: string[] | undefined, group: string | undefined, special = false): Rule => ({
  ...{ priority, paths, group, special },
});
const nobody = rule(Number.POSITIVE_INFINITY, undefined, undefined);
const sorted = (...rules: Rule[]) => [...rules, nobody].sort((a, b) => a.priority - b.priority);

describe('who is in front, by the order of the rules', () => {
  const blue = [rule(200, ['/watch', '/watch/*'], 'b'), rule(600, ['/*'], 'b')];
  const greenBehind = [rule(300, ['/watch/*'], 'g'), rule(700, ['/*'], 'g')];
  const greenFront = [rule(100, ['/watch/*'], 'g'), rule(500, ['/*'], 'g')];

  test('one color for every path is right', () => {
    const front = whoAnswers(sorted(...blue, ...greenBehind), facts);
    expect(front).toEqual({ '/api/charges': 'blue', '/admin/charges': 'blue', '/': 'blue', '/watch/1': 'blue' });
    expect(frontProblems(front)).toEqual([]);
    expect(frontProblems(whoAnswers(sorted(...blue, ...greenFront), facts))).toEqual([]);
  });

  test('maintenance in front of everything but the open path is right', () => {
    const front = whoAnswers(sorted(rule(400, ['/*'], undefined), ...blue, ...greenBehind), facts);
    expect(front).toMatchObject({ '/api/charges': 'maintenance', '/watch/1': 'blue' });
    expect(frontProblems(front)).toEqual([]);
  });

  test('a rule that asks for a header is nothing for a visitor without it', () => {
    expect(whoAnswers(sorted(rule(50, ['/*'], 'g', true), ...blue), facts)['/']).toBe('blue');
  });

  test('two colors at once, nobody, and a closed open path are each told', () => {
    expect(frontProblems(whoAnswers(sorted(rule(500, ['/api/*'], 'g'), ...blue), facts))).toEqual([
      expect.stringContaining('not exactly one color or maintenance is in front'),
    ]);
    expect(frontProblems(whoAnswers([nobody], facts))).toHaveLength(2);
    expect(frontProblems(whoAnswers(sorted(rule(90, ['/*'], undefined), ...blue), facts))).toContain(
      'the open path is answered by maintenance',
    );
    expect(frontProblems(whoAnswers(sorted(rule(100, ['/watch/*'], 'g'), ...blue), facts))).toContain(
      'customers are on blue, the open path on green',
    );
  });
});

test('answers of AWS are read from their XML', () => {
  const source = `<?xml version="1.0"?><A xmlns="x"><Rules><member><Priority>1</Priority><Values><member>/a&amp;b</member></Values></member></Rules>
    <DBInstances><DBInstance><Id>one</Id><Empty/></DBInstance><DBInstance><Id>two</Id><Empty></Empty></DBInstance></DBInstances></A>`;
  expect(parseXml(source)).toEqual({
    A: {
      Rules: [{ Priority: '1', Values: ['/a&b'] }],
      DBInstances: [
        { Id: 'one', Empty: '' },
        { Id: 'two', Empty: '' },
      ],
    },
  });
});
