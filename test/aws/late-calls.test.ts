/**
 * A terminal that wakes up after a take-over can still finish the AWS call that was on its way. docs/operations.md has a table of
 * those calls and why each is harmless; a call that is not in it has not been thought about. That they are harmless is tried by
 * `npm run kill-points -- --scenario late late-in-rollback`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const text = (file: string): string => readFileSync(join(root, file), 'utf8');

/** What a run can reach: the files of which `Aws` is made, and the calls that those take from another. What only the stacks' handlers use is not among them. */
function changingOperations(): string[] {
  const files = [...text('lib/aws/index.ts').matchAll(/from '\.\/([a-z-]+)'/g)].map(([, name]) => `lib/aws/${name}.ts`);
  const sentBy = (source: string) => [...source.matchAll(/new ([A-Z][A-Za-z]+)Command\(/g)].map(([, operation]) => operation!);
  // one function of another file, by its name: the rest of that file is the handlers'.
  const borrowed = files.flatMap((file) =>
    [...text(file).matchAll(/import \{([^}]*)\} from '\.\/(rules|worker-services)'/g)].flatMap(([, names, other]) => {
      const source = text(`lib/aws/${other}.ts`);
      return names!.split(',').flatMap((name) => {
        const from = source.search(new RegExp(`export (async )?(function|const) ${name.trim()}\\b`));
        return from < 0 ? [] : sentBy(source.slice(from, source.indexOf('\nexport ', from + 1) >>> 0));
      });
    }),
  );
  const sent = [...files.flatMap((file) => sentBy(text(file))), ...borrowed];
  return [...new Set(sent)].filter((operation) => !/^(Describe|List|Get|Head|Filter)/.test(operation)).sort();
}

test('every call with which a run changes something is in the table of calls that may arrive late', () => {
  const operations = changingOperations();
  expect(operations).toContain('SetRulePriorities');
  expect(operations.length).toBeGreaterThan(15);
  const table = text('docs/operations.md')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|')[1]);
  expect(operations.filter((operation) => !table.some((calls) => new RegExp(`\\b${operation}\\b`).test(calls ?? '')))).toEqual([]);
});
