/** The command as one file that starts fast: what is shipped, and what the bench measures. */
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

export function bundleCommand(outfile: string): void {
  buildSync({
    entryPoints: [join(__dirname, '../bin/switchback.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    minify: true,
    // the default picks the CommonJS builds of the SDK, which start slower than no bundle at all (style.md, section 0).
    mainFields: ['module', 'main'],
    external: ['pg-native'],
    logLevel: 'warning',
  });
  chmodSync(outfile, 0o755);
}
