/** The public types of the packages are those that were agreed on: a change of them is a change for everybody who has installed one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rollUp } from '../../scripts/declarations';

test('the public types are those written down; if a change is meant: npm run api, and a changeset that says so', () => {
  const written = ['api.d.ts', 'sandbox-api.d.ts'].map((file) => readFileSync(join(__dirname, file), 'utf8'));
  expect(rollUp('lib/index.ts', 'packages/sandbox/lib/index.ts')).toEqual(written);
});
