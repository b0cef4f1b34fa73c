import { existsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { AssetHashType, DockerImage } from 'aws-cdk-lib/core';
import { type BuildOptions, buildSync } from 'esbuild';

/** The names of `Clients` as packages: `elastic-load-balancing-v2` for `@aws-sdk/client-elastic-load-balancing-v2`. */
const clientPackages = [
  'application-auto-scaling',
  'cloudformation',
  'cloudwatch',
  'cloudwatch-logs',
  'ec2',
  'ecs',
  'elastic-load-balancing-v2',
  'lambda',
  'rds',
  's3',
  'scheduler',
  'secrets-manager',
  'ssm',
  'sts',
] as const;
export type ClientPackage = (typeof clientPackages)[number];

// an app made many times in one process (tests) bundles each entry once.
const bundled = new Map<string, string>();

/**
 * One file with everything a function needs, made by esbuild in this process: no Docker, nothing to install.
 * `entry` is a path without extension: TypeScript in this repository, JavaScript in the published package.
 */
export function bundledCode(entry: string, clients: readonly ClientPackage[]): lambda.Code {
  const file = existsSync(`${entry}.ts`) ? `${entry}.ts` : `${entry}.js`;
  const options: BuildOptions = {
    entryPoints: [file],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    keepNames: true,
    // the SDK's CommonJS builds start slower bundled than not at all.
    mainFields: ['module', 'main'],
    // pg asks for its native twin only when told to.
    external: ['pg-native', ...clientPackages.filter((name) => !clients.includes(name)).map((name) => `@aws-sdk/client-${name}`)],
    logLevel: 'error',
  };
  return lambda.Code.fromAsset(dirname(file), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // never used: the local bundler always answers.
      image: DockerImage.fromRegistry('unused'),
      // the library remembers an asset by its options, and a function is not part of what it compares.
      command: [basename(entry)],
      local: {
        tryBundle(outputDir: string) {
          let text = bundled.get(file);
          if (text === undefined) {
            text = buildSync({ ...options, write: false }).outputFiles![0]!.text;
            bundled.set(file, text);
          }
          writeFileSync(join(outputDir, 'index.js'), text);
          return true;
        },
      },
    },
  });
}
