/** `npm run build`, and what npm runs before it packs: dist/ of the product or, with `sandbox`, of the sandbox. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificatesFile } from '../lib/postgres/connection/certificates';
import { bundleCommand, bundleFunctions, bundleLibrary, bundleSandbox, bundleSandboxCommand } from './bundle';
import { rollUp } from './declarations';
import { licensesOf } from './licenses';

const root = join(__dirname, '..');

/** An empty dist/ of a package; answers where a file of it goes. */
function emptyDist(folder: string): (file: string) => string {
  const dist = join(root, folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  return (file) => join(dist, file);
}

function product(): void {
  const at = emptyDist('');
  const bundles = [bundleLibrary(at('index.js')), bundleFunctions(at('functions/index.js')), bundleCommand(at('switchback.js'))];
  copyFileSync(join(root, 'certificates', certificatesFile), at(join('functions', certificatesFile)));
  writeFileSync(at('index.d.ts'), rollUp('lib/index.ts')[0]!);
  writeFileSync(at('THIRD_PARTY_LICENSES'), licensesOf(bundles));
}

function sandbox(): void {
  const at = emptyDist('packages/sandbox');
  const bundles = [bundleSandbox(at('lib/index.js')), bundleSandboxCommand(at('bin/sandbox.js'))];
  writeFileSync(at('lib/index.d.ts'), rollUp('packages/sandbox/lib/index.ts')[0]!);
  writeFileSync(at('THIRD_PARTY_LICENSES'), licensesOf(bundles));
}

if (process.argv[2] === 'sandbox') sandbox();
else product();
