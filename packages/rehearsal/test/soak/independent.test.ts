/** The invariants judge the toolkit, so they must not share a mistake with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(__dirname, '..', '..', 'lib', 'soak');
const importsOf = (file: string): string[] =>
  [...readFileSync(join(folder, file), 'utf8').matchAll(/(?:from|import|require\() ?'([^']+)'/g)].map(([, name]) => name ?? '');

test.each([
  ['observer.ts', ['pg']],
  ['invariants.ts', ['./observer']],
])('%s imports nothing of the toolkit', (file, allowed) => {
  expect(importsOf(file)).toEqual(allowed);
});

test('the auditor of the example shares no code with the toolkit either', () => {
  const text = readFileSync(join(folder, '../../../..', 'examples', 'video', 'audit.ts'), 'utf8');
  expect([...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name)).toEqual([
    'node:fs',
    'node:readline',
    'node:util',
    'pg',
    './customers',
  ]);
});
