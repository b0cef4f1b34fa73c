/** Every link of every page leads somewhere, and every path that a page names is a path of this repository. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const root = join(__dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '');
const there = new Set<string>();
for (const file of files) for (let path = file; path !== '.'; path = dirname(path)) there.add(path);
const pages = files.filter((file) => file.endsWith('.md'));
const repository = 'https://github.com/cdk-switchback/cdk-switchback/blob/main/';

/** GitHub's: lower case, without punctuation, dashes for blanks. */
const anchorOf = (title: string): string =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  return new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => anchorOf(title!)));
}

function brokenLinks(page: string, text: string): string[] {
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link) && !link.startsWith(repository)) return false;
    const [path = '', anchor] = link.replace(repository, '/').split('#');
    const target = path === '' ? page : path.startsWith('/') ? path.slice(1) : posix.normalize(posix.join(dirname(page), path));
    return !there.has(target) || (anchor !== undefined && !anchorsOf(target).has(anchor));
  });
}

const roots = 'lib|bin|scripts|packages|examples|test|docs|\\.ci|\\.changeset|\\.github';
/** `lib/engine/run.ts`, `lib/steps`; with a star, a brace or a blank it is a pattern or a command. */
const looksLikePath = new RegExp(`^(?:(?:${roots})/[\\w./-]+|[A-Z]+\\.md)$`);

const within = (home: string, name: string): boolean => files.some((file) => file.startsWith(`${home}/`) && file.endsWith(`/${name}`));

/** Paths are from the root, or from the package that a page belongs to. */
function missingPaths(page: string, text: string): string[] {
  const home = /^(packages\/[^/]+|examples\/[^/]+)\//.exec(page)?.[1];
  const named = [...text.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name!.replace(/\/$/, '')).filter((name) => looksLikePath.test(name));
  return named.filter((name) => !there.has(name) && !(home && within(home, name)));
}

test.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  expect(brokenLinks(page, text)).toEqual([]);
  expect(missingPaths(page, text)).toEqual([]);
});

test('what leads nowhere is found', () => {
  expect(
    brokenLinks('docs/commands.md', '[a](nowhere.md) [b](errors.md#no-such-title) [c](errors.md#error-codes) [d](#exit-codes)'),
  ).toEqual(['nowhere.md', 'errors.md#no-such-title', '#exit-codes']);
  expect(brokenLinks('README.md', `[a](${repository}bin/nowhere.ts) [b](${repository}bin/app.ts)`)).toEqual([
    `${repository}bin/nowhere.ts`,
  ]);
  expect(missingPaths('docs/commands.md', '`lib/engine/nowhere.ts` `lib/engine/run.ts` `lib/engine/` `npm run lib/x`')).toEqual([
    'lib/engine/nowhere.ts',
  ]);
});
