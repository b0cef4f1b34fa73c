/** THIRD_PARTY_LICENSES: what is bundled, by whom, under which terms. A package without any terms ends the build. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';

const root = join(__dirname, '..');

interface Bundled {
  readonly name: string;
  readonly license: string;
  readonly text: string;
}

/** The text of the file, from what esbuild says went into each bundle. */
export function licensesOf(metafiles: readonly Metafile[]): string {
  const folders = new Set(metafiles.flatMap(bundledFolders));
  const packages = [...folders].map(read).sort((one, other) => (one.name < other.name ? -1 : 1));
  // most of the SDK's packages have one text in common: it is said once.
  const byText = new Map<string, Bundled[]>();
  for (const one of packages) byText.set(one.text, [...(byText.get(one.text) ?? []), one]);
  const parts = [...byText.values()].map((same) =>
    [...same.map(({ name, license }) => `${name} (${license})`), '', same[0]!.text].join('\n'),
  );
  return ['What this package contains of others, with their licenses.', ...parts].join(`\n\n${'-'.repeat(80)}\n`).concat('\n');
}

/** Folders of the packages that left a byte in a bundle. */
function bundledFolders({ outputs }: Metafile): string[] {
  return Object.values(outputs)
    .flatMap(({ inputs }) => Object.entries(inputs))
    .flatMap(([file, { bytesInOutput }]) => {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
      return folder && bytesInOutput > 0 ? [join(root, folder)] : [];
    });
}

function read(folder: string): Bundled {
  const { name, version, license, author, repository } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const texts = readdirSync(folder)
    .filter((file) => /^(licen[cs]e|copying|notice)(\.|-|$)/i.test(file))
    .sort()
    .map((file) => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
  if (typeof license !== 'string' || license === 'UNLICENSED')
    throw new Error(`${String(name)} in ${folder} would be bundled and names no license: leave it out, or ask its author`);
  return { name: `${String(name)} ${String(version)}`, license, text: texts.join('\n\n') || noText(author, repository) };
}

/** Some packages name their license and ship no text of it: then who has the rights is said from what they tell npm. */
function noText(author: unknown, repository: unknown): string {
  const told = (value: unknown, key: 'name' | 'url') =>
    typeof value === 'string' ? value : (value as Record<string, string> | undefined)?.[key];
  return `Copyright ${told(author, 'name') ?? 'its authors'}, ${told(repository, 'url') ?? 'no repository'}. Its package holds no text of the license.`;
}
