/**
 * Values of an enum that are new, or renamed. A renamed one has its new name on the fallback too for as long as that is fed: so it is the same
 * value wherever it is, in a key, in an array, or within another type.
 */
import { literal } from '../../connection/connect';
import { type CatalogEnum, renamedLabels } from '../catalog';
import type { Kind } from './kind';
import type { AddedValue, Renamed } from './plan';
import { owner } from './statements';

export const enumLabels: Kind = {
  schema({ old: { enums }, now: { enums: after }, say }, plan) {
    for (const old of enums) {
      const now = after.find(({ oid }) => oid === old.oid) ?? after.find(({ name }) => name === old.name);
      if (now === undefined) continue;
      const rename = renamedLabels(old, now);
      const known = new Set([...old.labels.map(({ label }) => label), ...rename.map(({ to }) => to)]);
      const add = now.labels.map(({ label }) => label).filter((label) => !known.has(label));
      const taken = now.labels.filter(
        ({ oid, label }) => rename.some(({ from }) => from === label) && !old.labels.some((one) => one.oid === oid),
      );
      for (const { label } of taken)
        say(
          `${old.name}:name-taken`,
          'lossy',
          `'${label}' is another value of ${old.name} now than the one that was called so`,
          `which of the two values a row has that was written after opening`,
          'take a name that no value had',
        );
      if (rename.length > 0)
        say(
          `${old.name}:renamed-values`,
          'bridged',
          `values of ${old.name} are renamed: ${rename.map(({ to }) => to).join(', ')}; after a rollback they have their old names`,
        );
      if (add.length > 0)
        say(
          `${old.name}:new-values`,
          'bridged',
          `values are added to ${old.name}: ${add.join(', ')}; the fallback gets them too, and the old release meets values it does not know`,
        );
      if (rename.length + add.length > 0) plan.enums.push({ name: old.name, add: add.map((label) => placed(label, old, now)), rename });
    }
  },

  scriptOnce({ enums }, part) {
    for (const { name, rename } of enums)
      for (const { from, to } of inOrder(rename)) {
        const renaming = (one: string, other: string) => owner(`ALTER TYPE ${name} RENAME VALUE ${literal(one)} TO ${literal(other)}`);
        part.fallback.push(renaming(from, to));
        part.revert.push(renaming(to, from));
      }
  },

  alone: ({ enums }) =>
    enums.flatMap(({ name, add }) =>
      add.map(({ label, before }) =>
        owner(`ALTER TYPE ${name} ADD VALUE IF NOT EXISTS ${literal(label)}${before === undefined ? '' : ` BEFORE ${literal(before)}`}`),
      ),
    ),
};

function placed(label: string, old: CatalogEnum, now: CatalogEnum): AddedValue {
  for (const next of now.labels.slice(now.labels.findIndex((one) => one.label === label) + 1)) {
    const before = old.labels.find(({ oid }) => oid === next.oid) ?? old.labels.find((one) => one.label === next.label);
    if (before) return { label, before: before.label };
  }
  return { label };
}

/** Names that change hands go by another one meanwhile. */
function inOrder(renamed: readonly Renamed[]): readonly Renamed[] {
  if (!renamed.some(({ to }) => renamed.some(({ from }) => from === to))) return renamed;
  const between = (at: number): string => `switchback ${at}`;
  return [...renamed.map(({ from }, at) => ({ from, to: between(at) })), ...renamed.map(({ to }, at) => ({ from: between(at), to }))];
}
