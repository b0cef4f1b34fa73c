/** Every dependency has its reason in CONTRIBUTING.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('every package has a row with its reason, and every row a package', () => {
  const dependencies = ['package.json', 'packages/sandbox/package.json', 'packages/rehearsal/package.json'].flatMap((path) => {
    const manifest = JSON.parse(read(path)) as Record<string, Readonly<Record<string, string>> | undefined>;
    return Object.keys({ ...manifest['dependencies'], ...manifest['devDependencies'], ...manifest['peerDependencies'] });
  });
  const [, table = ''] = read('CONTRIBUTING.md').split('## Dependencies');
  const named = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
  const names = (pattern: string, dependency: string): boolean =>
    pattern.endsWith('*') ? dependency.startsWith(pattern.slice(0, -1)) : pattern === dependency;
  const ours = [...new Set(dependencies)].filter((name) => name !== 'cdk-switchback-sandbox');
  expect(ours.filter((dependency) => !named.some((pattern) => names(pattern, dependency)))).toEqual([]);
  expect(named.filter((pattern) => !ours.some((dependency) => names(pattern, dependency)))).toEqual([]);
});
