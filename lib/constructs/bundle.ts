import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { AssetHashType, DockerImage } from 'aws-cdk-lib/core';
import { type BuildOptions, buildSync } from 'esbuild';

// an app made many times in one process (tests) bundles once.
let bundled: string | undefined;

/** What `functions.lambda` exports, with everything it needs, in one file that esbuild makes in this process: no Docker, nothing to install. */
export function bundledCode(): lambda.Code {
  // TypeScript in this repository, JavaScript in the published package.
  const entry = ['ts', 'js'].map((extension) => join(__dirname, `functions.lambda.${extension}`)).find(existsSync);
  const options: BuildOptions = {
    entryPoints: [entry!],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    keepNames: true,
    // the SDK's CommonJS builds start slower bundled than not at all.
    mainFields: ['module', 'main'],
    // pg asks for its native twin only when told to.
    external: ['pg-native'],
    logLevel: 'error',
  };
  return lambda.Code.fromAsset(__dirname, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // never used: the local bundler always answers.
      image: DockerImage.fromRegistry('unused'),
      local: {
        tryBundle(outputDir: string) {
          bundled ??= buildSync({ ...options, write: false }).outputFiles![0]!.text;
          writeFileSync(join(outputDir, 'index.js'), bundled);
          return true;
        },
      },
    },
  });
}
