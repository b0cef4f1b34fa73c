/** What people install: both packages packed, installed into an app as `cdk init` makes it, compiled, synthesized and run there. */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { advisedWords } from '../../lib/base/advice';

const root = join(__dirname, '../..');
const repository = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  devDependencies: Record<string, string>;
};
const scratch = mkdtempSync(join(tmpdir(), 'switchback-packed-'));
/** The app, CommonJS; `esm` inside it is another, of modules, with the same packages. */
const app = join(scratch, 'app');
const esm = join(app, 'esm');
const tarballs: string[] = [];

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Run> {
  // nothing of this test run: an app of its own has its own settings.
  const { CDK_VALIDATION: _off, NODE_OPTIONS: _jest, ...inherited } = process.env;
  return new Promise((done) => {
    execFile(
      program,
      args,
      { cwd, env: { ...inherited, CI: 'true', NO_COLOR: '1', ...env }, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => done({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
    );
  });
}
const node = (args: readonly string[], cwd: string, env?: NodeJS.ProcessEnv) => run(process.execPath, args, cwd, env);
const npm = (args: readonly string[], cwd: string) => run('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline'], cwd);
/** A program of the repository's, in the app: what only starts it is not what is tested. */
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const tsx = join(root, 'node_modules/tsx/dist/cli.mjs');
const cdk = join(root, 'node_modules/aws-cdk/bin/cdk');
/** The command as npx finds it. */
const switchback = (...args: string[]) => run(join(app, 'node_modules/.bin/switchback'), args, app);

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
const installed = (name: string): string => join(app, 'node_modules', name);

const source = `import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import * as cdk from 'aws-cdk-lib/core';
import { type ColorStack, type FallbackStack, type Release, type SharedStack, Switchback, type SwitchbackProps } from 'cdk-switchback';

const app = new cdk.App();
const release: Release = { version: '1.0.0', commit: '5f1c0de' };
const props: SwitchbackProps = {
  blue: release,
  window: 1,
  image: ({ version }) => ContainerImage.fromRegistry(\`registry.example.com/shop:\${version}\`),
  applications: [{ name: 'site', paths: ['/*'], proofPath: '/release' }],
  migration: { expand: ['node', 'migrate.js'] },
};
const shop = new Switchback(app, 'shop', props);
const stacks: [SharedStack, ColorStack | undefined, FallbackStack | undefined] = [shop.shared, shop.blue, shop.fallback];
for (const stack of stacks) if (stack) cdk.Tags.of(stack).add('team', 'shop');
`;
const sandboxSource = `import { type RunningSandbox, startSandbox } from 'cdk-switchback-sandbox';

export const started: Promise<RunningSandbox> = startSandbox({ folder: '.sandbox' });
`;

/** The files of \`cdk init app --language typescript\` that matter, with its own flags; what the template leaves to skipLibCheck is checked. */
function writeApp(folder: string, type: 'commonjs' | 'module'): void {
  const template = join(root, 'node_modules/aws-cdk/lib/init-templates/app/typescript');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  mkdirSync(join(folder, 'test'));
  writeFileSync(join(folder, 'bin/app.ts'), source);
  writeFileSync(join(folder, 'test/sandbox.ts'), sandboxSource);
  const { compilerOptions, exclude } = JSON.parse(readFileSync(join(template, 'tsconfig.json'), 'utf8')) as Record<string, object>;
  // one node_modules for both.
  const typeRoots = [join(app, 'node_modules/@types')];
  const strict = { ...compilerOptions, typeRoots, types: ['node'], skipLibCheck: false, strict: true };
  writeFileSync(join(folder, 'tsconfig.json'), json({ compilerOptions: strict, include: ['bin', 'test'], exclude }));
  writeFileSync(
    join(folder, 'tsconfig.bundler.json'),
    json({ extends: './tsconfig.json', compilerOptions: { module: 'ESNext', moduleResolution: 'bundler' } }),
  );
  const { devDependencies: versions } = repository;
  const dependencies = { 'aws-cdk-lib': versions['aws-cdk-lib'], constructs: versions['constructs'] };
  const devDependencies = { '@types/node': versions['@types/node'] };
  const own = type === 'module' ? { type } : { version: '0.1.0', dependencies, devDependencies };
  writeFileSync(join(folder, 'package.json'), json({ name: `an-app-${type}`, private: true, ...own }));
}

/** What \`cdk init\` puts into cdk.json: all recommended flags, weak references among them. */
function writeFlags(): void {
  const context = JSON.parse(readFileSync(join(installed('aws-cdk-lib'), 'recommended-feature-flags.json'), 'utf8')) as object;
  expect(context).toMatchObject({ '@aws-cdk/core:defaultCrossStackReferences': 'weak' });
  for (const folder of [app, esm]) writeFileSync(join(folder, 'cdk.json'), json({ context }));
}

function bytesIn(path: string): number {
  const entry = lstatSync(path);
  return entry.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0) : entry.size;
}

beforeAll(async () => {
  for (const which of [[], ['--workspace', 'packages/sandbox']]) {
    const packed = await npm(['pack', '--pack-destination', scratch, ...which], root);
    expect(packed).toMatchObject({ code: 0 });
    tarballs.push(join(scratch, packed.stdout.trim().split('\n').at(-1)!));
  }
  writeApp(app, 'commonjs');
  writeApp(esm, 'module');
  expect(await npm(['install', ...tarballs], app)).toMatchObject({ code: 0 });
  writeFlags();
});
afterAll(async () => {
  await switchback('sandbox', 'stop');
  rmSync(scratch, { recursive: true, force: true });
});

test('they are called what they are called, and say what npm shows of them', () => {
  const { version } = repository;
  expect(tarballs.map((file) => file.slice(scratch.length + 1))).toEqual([
    `cdk-switchback-${version}.tgz`,
    `cdk-switchback-sandbox-${version}.tgz`,
  ]);
  for (const name of ['cdk-switchback', 'cdk-switchback-sandbox']) {
    for (const file of ['README.md', 'LICENSE', 'dist/THIRD_PARTY_LICENSES'])
      expect([file, existsSync(join(installed(name), file))]).toEqual([file, true]);
  }
});

test('the product brings nothing but itself, and weighs at most 10 MB', () => {
  const lock = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8')) as { packages: Record<string, Record<string, object>> };
  const { dependencies, peerDependencies } = lock.packages['node_modules/cdk-switchback']!;
  expect(dependencies).toBeUndefined();
  expect(Object.keys(peerDependencies!)).toEqual(['aws-cdk-lib', 'constructs']);
  expect(bytesIn(installed('cdk-switchback'))).toBeLessThan(10e6);
});

test('every file that the pages of the package link to is in it', () => {
  const pages = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? pages(join(folder, entry.name)) : entry.name.endsWith('.md') ? [join(folder, entry.name)] : [],
    );
  const links = ['cdk-switchback', 'cdk-switchback-sandbox']
    .flatMap((name) => pages(installed(name)))
    .flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\((?!\w+:|#)([^)#]+)/g)].map(([, link]) => ({ page, file: join(dirname(page), link!) })),
    );
  expect(links.length).toBeGreaterThan(10);
  expect(links.filter(({ file }) => !existsSync(file))).toEqual([]);
});

test.each([
  ['CommonJS', app],
  ['modules', esm],
])('as %s it compiles strictly, the declarations of the packages too', async (_, folder) => {
  for (const project of ['tsconfig.json', 'tsconfig.bundler.json']) {
    expect(await node([tsc, '-p', project], folder)).toEqual({ code: 0, stdout: '', stderr: '' });
  }
});

test('it synthesizes as CommonJS and as modules, with the flags of cdk init, and the functions are the same each time', async () => {
  const functionsOf = (folder: string): string[] =>
    readdirSync(join(folder, 'cdk.out')).filter((name) => {
      const index = join(folder, 'cdk.out', name, 'index.js');
      return (
        name.startsWith('asset.') &&
        existsSync(index) &&
        readFileSync(index).equals(readFileSync(join(installed('cdk-switchback'), 'dist/functions/index.js')))
      );
    });
  const typescript = await node([cdk, 'synth', '--quiet', '--app', `"${process.execPath}" "${tsx}" bin/app.ts`], app);
  expect(typescript).toMatchObject({ code: 0 });
  // as Node itself runs modules, with no help of tsx: the names are found in a CommonJS file.
  expect(await node([tsc, '--noEmit', 'false', '--outDir', 'out'], esm)).toMatchObject({ code: 0, stdout: '' });
  cpSync(join(esm, 'package.json'), join(esm, 'out/package.json'));
  const javascript = await node([cdk, 'synth', '--quiet', '--app', `"${process.execPath}" out/bin/app.js`], esm, {
    CDK_VALIDATION: 'false',
  });
  expect(javascript).toMatchObject({ code: 0 });
  expect(functionsOf(app)).toHaveLength(1);
  expect(functionsOf(esm)).toEqual(functionsOf(app));
});

test('the command says its version, and helps with every command that advice names', async () => {
  expect(await switchback('--version')).toEqual({ code: 0, stdout: `${repository.version}\n`, stderr: '' });
  const help = await switchback('--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const all = await Promise.all(Object.keys(advisedWords).map(async (command) => ({ command, own: await switchback(command, '--help') })));
  for (const { command, own } of all) {
    expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    expect(own).toMatchObject({ code: 0, stderr: '' });
    expect(own.stdout).toMatch(new RegExp(`^Usage: .*switchback ${command} `));
  }
});

test('where the sandbox is not installed, the command says how to install it', async () => {
  renameSync(installed('cdk-switchback-sandbox'), join(scratch, 'aside'));
  const refused = await switchback('sandbox', '--detach');
  renameSync(join(scratch, 'aside'), installed('cdk-switchback-sandbox'));
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toContain('npm install --save-dev cdk-switchback-sandbox');
});

test('the sandbox that is installed runs detached, spells its commands as they are typed there, and stops', async () => {
  mkdirSync(join(app, 'images'));
  const started = await switchback('sandbox', '--detach', '--port', '0', '--images', 'images');
  expect(started).toMatchObject({ code: 0, stderr: '' });
  expect(started.stdout).toContain('for every terminal: eval "$(npx switchback sandbox env)"');
  const [endpoint] = /http:\/\/localhost:\d+/.exec(started.stdout)!;
  expect((await switchback('sandbox', 'status')).stdout).toContain(endpoint);
  const { stdout } = await switchback('sandbox', 'env');
  expect(stdout).toContain(`export AWS_ENDPOINT_URL=${endpoint}`);
  // its own command finds the same one.
  const own = await run(join(app, 'node_modules/.bin/cdk-switchback-sandbox'), ['stop'], app);
  expect(own).toMatchObject({ code: 0, stderr: '' });
  expect(await switchback('sandbox', 'status')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('npx switchback sandbox --detach starts one'),
  });
});
