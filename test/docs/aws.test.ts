/** docs/aws.md promises a test for each row: it is one, in the file that is named, by the words that are quoted. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const rows = readFileSync(join(root, 'docs/aws.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| What we count on'));
const promised = rows.flatMap((row) =>
  [...row.matchAll(/`([\w./-]+\.test\.ts)`: ((?:\*[^*]+\*(?:, )?)+)/g)].flatMap(([, file = '', names = '']) =>
    [...names.matchAll(/\*([^*]+)\*/g)].map(([, name = '']) => ({ file, name })),
  ),
);

test('every row has one', () => {
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => !/\.test\.ts`: \*/.test(row))).toEqual([]);
});

test.each(promised)('$file: $name', ({ file, name }) => {
  expect(readFileSync(join(root, file), 'utf8')).toContain(name);
});
