/**
 * Migrations as other teams have done them (migrations.json), each through a window of its own; what the old release must find after the
 * rollback was written down by hand. `known-wrong.json` says of those that are not right yet what becomes of them: it can only shrink.
 * Another server: SWITCHBACK_POSTGRES_MAJOR=18 npm run test:cases.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCases } from '../../lib/operations/try/case';
import { tryCases } from '../_helpers/tried-cases';

const at = (file: string): string => readFileSync(join(__dirname, file), 'utf8');
const only = process.env['SWITCHBACK_CASES']?.split(',');
const { cases, tried } = tryCases(at('migrations.json'), { wanted: (id) => !only || only.includes(id) });
const known = JSON.parse(at('known-wrong.json')) as Readonly<Record<string, string>>;

/** The answers came from the servers themselves; they are looked at here, and not by what is tried. */
const asText = (answer: readonly unknown[] | null | undefined): string =>
  JSON.stringify(answer?.map((value) => (value === null ? null : `${value as string}`)));

test.each(cases.map((one) => [one.id, one.name, one] as const))('%s %s', (id, _name, { must, ask, expect: wanted, or }) => {
  const { outcome, at: place, differences, asked, askedOfProduction } = tried.get(id)!;
  const answers = wanted.map((answer, index) => {
    const right = [answer, ...(or[index] ? [or[index]] : [])].map((one) => asText(one === 'production' ? askedOfProduction[index] : one));
    const got = asText(asked[index]);
    return right.includes(got) ? 'right' : `${ask[index]}: ${got}, and not ${right.join(' or ')}`;
  });
  const wrong = answers.filter((answer) => answer !== 'right');
  const came = outcome === 'lossless' && wrong.length > 0 ? 'wrong, with an equal proof' : `${outcome} at ${place}`;
  const isRight = came === 'lossless at rollback' ? must !== 'refused' : outcome === 'refused' && must !== 'right';
  // one that has become right is struck off known-wrong.json; nothing else may be written into it.
  expect({ came: isRight ? 'right' : came, differences, wrong }).toEqual({ came: known[id] ?? 'right', differences, wrong });
});

test('only cases that are there are known to be wrong', () => {
  const ids = readCases(at('migrations.json')).map(({ id }) => id);
  expect(Object.keys(known).filter((id) => !ids.includes(id))).toEqual([]);
});
