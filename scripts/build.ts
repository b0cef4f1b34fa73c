/** `npm run build`: the library as JavaScript with its types, and the command as one file that starts fast. */
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

const root = join(__dirname, '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
  cwd: root,
});
buildSync({
  entryPoints: [join(root, 'bin/switchback.ts')],
  outfile: join(root, 'dist/switchback.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  minify: true,
  // the default picks the CommonJS builds of the SDK, which start slower than no bundle at all (style.md, section 0).
  mainFields: ['module', 'main'],
  external: ['pg-native'],
  logLevel: 'warning',
});
chmodSync(join(root, 'dist/switchback.js'), 0o755);
