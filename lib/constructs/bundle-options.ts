import type { BuildOptions } from 'esbuild';

/** How everything of ours is bundled: the functions (bundle.ts from the sources, scripts/bundle.ts for the package), the command and the library. */
export const bundleOptions = {
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // the default picks the SDK's CommonJS builds, which start slower bundled than not at all.
  mainFields: ['module', 'main'],
  // pg asks for its native twin only when told to.
  external: ['pg-native'],
  logLevel: 'error',
} satisfies BuildOptions;

/** Of the functions: small, because every one is uploaded, and with names, because errors are told apart by them. */
export const functionsOptions = { ...bundleOptions, minify: true, keepNames: true } satisfies BuildOptions;
