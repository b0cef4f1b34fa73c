/**
 * `npm run changeset -- add|status|version|publish`: changesets, which knows no package but workspaces, and the product is the root. npm
 * can have the root among its workspaces, and warns of it at every install; so it is among them only while changesets runs.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..');
const manifest = join(root, 'package.json');
const asRoot = '"workspaces": [\n    ".",';

const before = readFileSync(manifest, 'utf8');
writeFileSync(manifest, before.replace('"workspaces": [', asRoot));
let status: number | null = 1;
try {
  ({ status } = spawnSync(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  }));
} finally {
  // read anew: it may have a new version.
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace(asRoot, '"workspaces": ['));
}
process.exitCode = status ?? 1;
