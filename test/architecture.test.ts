/** The floors of the house (ARCHITECTURE.md), held: who may import whom, no circles, who calls AWS, who prints, how long a file may be. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

const root = join(__dirname, '..');
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', 'lib', 'bin', 'scripts', 'packages', 'examples'],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((file) => file.endsWith('.ts') && !file.includes('/test/'));
const known = new Set(files);
const textOf = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

/** Rooms of the product from the top; rooms of one floor do not import each other, but for `base`, which everybody may use. */
const floors = [
  ['lib/terminal', 'lib/constructs'],
  // above the operations: the handlers of constructs tell CloudFormation what to type, as the report spells it.
  ['lib/report'],
  ['lib/operations'],
  ['lib/plans'],
  ['lib/steps'],
  ['lib/engine'],
  ['lib/aws'],
  ['lib/manifest', 'lib/postgres'],
  ['lib/base'],
];
/** The same inside lib/postgres. */
const postgresFloors = [
  ['lib/postgres/verification'],
  ['lib/postgres/schema'],
  ['lib/postgres/replication'],
  ['lib/postgres/preflight'],
  ['lib/postgres/access'],
  ['lib/postgres/connection'],
];
/** Files that print though they are no screen, each with its reason. */
const printing: Readonly<Record<string, string>> = {
  'lib/constructs/handlers/respond.ts': 'a custom resource has nothing but the log of its function',
};
/** Files that may be longer than 400 lines, each with its reason. */
const long: Readonly<Record<string, string>> = {
  'lib/base/error-codes.ts': 'every error code with its way out: a list to look things up in, hardly any code',
  'lib/constructs/props.ts': 'every prop of the public API with its documentation: one page to read, hardly any code',
  'packages/rehearsal/lib/bench/database.ts': 'one measurement with all its parts, in the order in which they are taken',
  'packages/rehearsal/lib/soak/window.ts': 'one soaked window, from its start to its verdict, in order',
};

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Of our own files; `typeof import()` and lazy `require` count too. */
function importsOf(file: string): Import[] {
  return [...textOf.get(file)!.matchAll(/(?:from |import |import\(|require\()'(\.{1,2}(?:\/[^']*)?)'/g)].flatMap(([, name]) => {
    const path = posix.normalize(posix.join(dirname(file), name!));
    const to = [path, `${path}.ts`, `${path}/index.ts`].find((one) => known.has(one));
    if (!to) throw new Error(`${file} imports ${name}, which is no file of ours`);
    return [{ from: file, to }];
  });
}
const packagesOf = (file: string): string[] =>
  [...textOf.get(file)!.matchAll(/(?:from |import |import\(|require\()'([^.'][^']*)'/g)].map(([, name]) => name!);
const imports = files.flatMap((file) => importsOf(file));
const inside = (file: string, room: string): boolean => file.startsWith(`${room}/`);
const floorOf = (file: string, of: readonly (readonly string[])[]): number =>
  of.findIndex((rooms) => rooms.some((room) => inside(file, room)));
const arrow = ({ from, to }: Import): string => `${from} -> ${to}`;

function againstFloors(of: readonly (readonly string[])[]): string[] {
  return imports
    .filter(({ from, to }) => {
      const [above, below] = [floorOf(from, of), floorOf(to, of)];
      if (above < 0 || below < 0) return false;
      const sameRoom = of[above]!.some((room) => inside(from, room) && inside(to, room));
      return !sameRoom && above >= below;
    })
    .map(arrow);
}

/** Files that import each other, through however many others: each circle once. */
function circles(): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  // Tarjan's strongly connected components.
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const other of next.get(file) ?? []) {
      if (!index.has(other)) visit(other);
      if (stack.includes(other)) low.set(file, Math.min(low.get(file)!, low.get(other)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle.sort().join(', '));
  };
  for (const file of files) if (!index.has(file)) visit(file);
  return found;
}

test('every file of lib is in a room of a floor', () => {
  const rooms = files.filter((file) => inside(file, 'lib') && file !== 'lib/index.ts');
  expect(rooms.filter((file) => floorOf(file, floors) < 0)).toEqual([]);
  expect(rooms.filter((file) => inside(file, 'lib/postgres') && floorOf(file, postgresFloors) < 0)).toEqual([]);
});

test('ARCHITECTURE.md has the floors as they are here', () => {
  const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const rows = [...page.matchAll(/^\| (\d) \| `(lib\/[a-z]+)` \|/gm)].map(([, floor, room]) => [room!, Number(floor)] as const);
  expect(rows).toEqual(floors.flatMap((rooms, below) => rooms.map((room) => [room, floors.length - below] as const)));
  const [, ofPostgres = ''] = page.split('has floors of its own, from the top:');
  expect([...ofPostgres.matchAll(/`(lib\/postgres\/[a-z]+)`[,.]/g)].map(([, room]) => room)).toEqual(postgresFloors.flat());
});

test('no room imports a room above it or beside it', () => {
  expect(againstFloors(floors)).toEqual([]);
  expect(againstFloors(postgresFloors)).toEqual([]);
});

test('no files import each other in a circle', () => {
  expect(circles()).toEqual([]);
});

test('the product imports no package of the repository, the sandbox imports nothing of the product, the rehearsal may import both', () => {
  const outside = imports.filter(({ from, to }) => {
    if (inside(from, 'lib') || inside(from, 'bin')) return !inside(to, 'lib') && !(inside(from, 'bin') && inside(to, 'bin'));
    if (inside(from, 'packages/sandbox')) return !inside(to, 'packages/sandbox');
    return false;
  });
  expect(outside.map(arrow)).toEqual([]);
});

test('the proof imports nothing of the bridge or of the feed, not even a type, through however many others', () => {
  const proof = [
    'equality',
    'reading',
    'pairing',
    'partitions',
    'rows-of',
    'large-objects',
    'values',
    'record',
    'compare',
    'change-counts',
    'loss-manifest',
    'sequences-behind',
    'put-in',
  ].map((name) => `lib/postgres/verification/${name}.ts`);
  const reached = new Set(proof);
  for (const file of reached) for (const { to } of importsOf(file)) reached.add(to);
  const strangers = [...reached].filter((file) => inside(file, 'lib/postgres/verification') && !proof.includes(file));
  expect(strangers).toEqual([]);
  const shared = ['lib/postgres/schema', 'lib/postgres/replication', 'lib/postgres/preflight', 'lib/manifest'];
  expect([...reached].filter((file) => shared.some((room) => inside(file, room)))).toEqual([]);
});

test('a kind of schema change is a file that imports no other kind; the list has all of them', () => {
  const room = 'lib/postgres/schema/kinds';
  const listed = importsOf(`${room}/index.ts`).map(({ to }) => to);
  const beside = ['index', 'kind', 'plan', 'statements', 'fit', 'names', 'rules'].map((name) => `${room}/${name}.ts`);
  const inRoom = files.filter((file) => inside(file, room) && !beside.includes(file));
  expect(inRoom.filter((file) => !listed.includes(file))).toEqual([]);
  expect(inRoom.flatMap(importsOf).filter(({ to }) => inRoom.includes(to) || to === `${room}/index.ts`)).toEqual([]);
});

test('only lib/aws imports SDK clients; the sandbox serves them', () => {
  const users = files.filter((file) => packagesOf(file).some((name) => /^@(aws-sdk|smithy)\//.test(name)));
  expect(users.filter((file) => !inside(file, 'lib/aws') && !inside(file, 'packages'))).toEqual([]);
});

test('who is not a list or a step asks for milestones, never for a step by its id', () => {
  const above = ['lib/engine', 'lib/operations', 'lib/report', 'lib/terminal', 'lib/constructs'];
  const askers = files.filter(
    (file) => above.some((room) => inside(file, room)) && !['lib/engine/milestones.ts', 'lib/engine/step-id.ts'].includes(file),
  );
  const byId = /\b(begun\('|facts\('|steps\.get\('|steps\.has\('|startsWith\('[a-z-]+\.'\))/;
  expect(askers.filter((file) => byId.test(textOf.get(file)!))).toEqual([]);
});

test('what judges the fuzz imports nothing of the product, nor what does', () => {
  const fuzz = 'packages/rehearsal/lib/fuzz';
  // one runs the product, the other prints what came of it.
  const others = [`${fuzz}/fuzz.ts`, `${fuzz}/screen.ts`];
  const judges = imports.filter(({ from }) => inside(from, fuzz) && !others.includes(from));
  expect(judges.length).toBeGreaterThan(20);
  const allowed = ({ to }: Import): boolean => (inside(to, fuzz) && !others.includes(to)) || to === 'packages/rehearsal/lib/soak/random.ts';
  expect(judges.filter((one) => !allowed(one)).map(arrow)).toEqual([]);
  expect(
    files
      .filter((file) => inside(file, fuzz) && !others.includes(file))
      .flatMap(packagesOf)
      .filter((name) => !name.startsWith('node:')),
  ).toEqual([]);
});

test('only lib/report and lib/terminal print', () => {
  const printers = files.filter((file) => inside(file, 'lib') && /console\.|process\.std(out|err)\.write/.test(textOf.get(file)!));
  expect(printers.filter((file) => !inside(file, 'lib/report') && !inside(file, 'lib/terminal') && !printing[file])).toEqual([]);
});

test('who prints takes plain text: what others wrote is no command to a terminal', () => {
  const printers = files.filter((file) => inside(file, 'lib') && /console\.|\.write\(`/.test(textOf.get(file)!));
  const raw = printers.filter((file) => !textOf.get(file)!.includes('base/plain-text'));
  // its version, and a block of lines that are drawn already.
  expect(raw).toEqual(['lib/report/draw.ts', 'lib/terminal/start.ts']);
});

test('nothing below the terminal reads the time by itself: clocks are handed in', () => {
  const below = floors
    .slice(1)
    .flat()
    .filter((room) => room !== 'lib/base');
  const readers = files.filter((file) => below.some((room) => inside(file, room)) && /Date\.now\(\)|new Date\(\)/.test(textOf.get(file)!));
  expect(readers).toEqual([]);
});

test('a file of over 400 lines has a reason here', () => {
  const tooLong = files.filter((file) => textOf.get(file)!.split('\n').length > 401);
  expect(tooLong.filter((file) => !long[file])).toEqual([]);
  expect(Object.keys(long).filter((file) => !tooLong.includes(file))).toEqual([]);
});
