import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { AssetHashType, DockerImage } from 'aws-cdk-lib/core';
import { certificatesFile } from '../postgres/connection/certificates';
import { functionsOptions } from './bundle-options';

/** Beside the library in the package (scripts/build.ts): nobody's synth bundles anything. */
const prebuilt = join(__dirname, 'functions');
/** Beside this file in the repository, which is run as it is written. */
const source = join(__dirname, 'functions.lambda.ts');

// an app made many times in one process (tests) bundles once.
let bundled: string | undefined;

/** What `functions.lambda` exports, with everything it needs, in one file, and RDS's certificates beside it: no Docker, nothing to install. */
export function bundledCode(): lambda.Code {
  if (existsSync(join(prebuilt, 'index.js'))) return lambda.Code.fromAsset(prebuilt);
  if (!existsSync(source)) {
    throw new Error(
      `the code of Switchback's functions is not in ${prebuilt}: it lies beside the library, so an app that is bundled must leave cdk-switchback out of its bundle`,
    );
  }
  return lambda.Code.fromAsset(__dirname, {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // never used: the local bundler always answers.
      image: DockerImage.fromRegistry('unused'),
      local: {
        tryBundle(outputDir: string) {
          bundled ??= bundleSource();
          writeFileSync(join(outputDir, 'index.js'), bundled);
          copyFileSync(join(__dirname, '../../certificates', certificatesFile), join(outputDir, certificatesFile));
          return true;
        },
      },
    },
  });
}

function bundleSource(): string {
  // only here: the package has no esbuild.
  const { buildSync } = require('esbuild') as typeof import('esbuild');
  // whose stacks are made from the sources reads what the repository's own commands are called.
  const contents = "import { speakTo } from '../report/advice'; speakTo('repository'); export * from './functions.lambda';";
  return buildSync({ ...functionsOptions, stdin: { contents, resolveDir: __dirname, loader: 'ts' }, write: false }).outputFiles[0]!.text;
}
