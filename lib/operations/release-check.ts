/** What the services run, and what their stacks gave them, for `status --check`. */
import type { Aws } from '../aws';
import { colors, type Manifest } from '../manifest/schema';
import { foreignNext, foreignReleases, foreignText } from '../steps/foreign-release';
import type { Check } from './check-report';

/** Nothing where no stack has noted it yet. */
export async function checkReleases(aws: Pick<Aws, 'tasks'>, manifest: Manifest): Promise<Check[]> {
  const noted = colors.filter((color) => manifest[color]?.applications.some(({ revision }) => revision !== undefined));
  if (noted.length === 0) return [];
  const foreign = await foreignReleases(aws, manifest);
  const what = noted.map((color) => `${color} runs ${manifest[color]?.release.version}`).join(', ');
  return [
    foreign.length === 0
      ? { name: 'release', ok: true, what: [what], next: [] }
      : {
          ...{ name: 'release', ok: false, what: foreign.map((each) => foreignText(each, manifest)) },
          next: foreign.map((each) => foreignNext(each, manifest)),
        },
  ];
}
