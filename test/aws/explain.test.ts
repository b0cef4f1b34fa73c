/** What AWS says in one word, as something to do. */

import { explain } from '../../lib/aws/explain';
import { evaluate, say, typed } from '../../lib/base/advice';
import { Stop } from '../../lib/base/errors';
import { spell } from '../../lib/report/advice';

const named = (name: string, message: string) => Object.assign(new Error(message), { name });

test('credentials that have run out ask for a login, and then for the same command', () => {
  const said = explain(named('ExpiredTokenException', 'The security token included in the request is expired'));
  expect(said).toBeInstanceOf(Stop);
  expect(said).toMatchObject({ code: 'credentials.refused', next: [typed('aws sso login'), say`then the same command again`], exit: 2 });
});

test('a sandbox that does not know the key asks for its own', () => {
  process.env['AWS_ENDPOINT_URL'] = 'http://localhost:4566';
  const said = explain(named('UnrecognizedClientException', 'The security token included in the request is invalid.'));
  delete process.env['AWS_ENDPOINT_URL'];
  expect(said).toMatchObject({ code: 'credentials.refused', next: [evaluate('sandbox', 'env'), say`then the same command again`] });
});

// found by the soak: a login was advised in the middle of a stage, where only a right was missing and trying again was enough.
test.each(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation'])('%s is a missing right, not a missing login', (name) => {
  const said = explain(named(name, 'User: runner is not authorized to perform: ecs:RunTask')) as Stop;
  expect(said).toMatchObject({ code: 'rights.missing', message: expect.stringContaining('ecs:RunTask') });
  expect(said.next.map(spell).join()).not.toContain('sso login');
  expect(spell(said.next.at(-1)!)).toBe('then the same command again');
});
