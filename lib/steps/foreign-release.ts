/**
 * A release that was changed behind our back: `cdk deploy --hotswap`, or a hand in the console, gives a service another task definition
 * past CloudFormation, and so past the guard. What runs then is not what the manifest says, nor what was tried.
 */
import type { Aws } from '../aws';
import { type Advice, typed } from '../base/advice';
import { exit, Stop } from '../base/errors';
import { type Color, colors, type Manifest } from '../manifest/schema';

export interface ForeignRelease {
  readonly color: Color;
  readonly service: string;
  /** `family:revision` */
  readonly found: string;
  readonly expected: string;
}

/** Services that run another task definition than their stack gave them. Stacks of before it was noted are not looked at. */
export async function foreignReleases(aws: Pick<Aws, 'tasks'>, manifest: Manifest): Promise<ForeignRelease[]> {
  const all = colors.flatMap((color) =>
    [...(manifest[color]?.applications ?? []), ...(manifest[color]?.workers ?? [])].flatMap(({ service, revision }) =>
      revision === undefined ? [] : [{ color, service, revision }],
    ),
  );
  if (all.length === 0) return [];
  const states = await aws.tasks.services(
    manifest.shared.cluster,
    all.map(({ service }) => service),
  );
  return all.flatMap(({ color, service, revision }) => {
    const found = states.find(({ name }) => name === service)?.taskDefinition;
    const expected = found?.replace(/[^:]*$/, revision);
    return found === undefined || expected === undefined || found === expected ? [] : [{ color, service, found, expected }];
  });
}

export const foreignText = ({ color, service, found, expected }: ForeignRelease, manifest: Manifest): string =>
  `${service} runs ${found}, and ${color}'s release ${manifest[color]?.release.version} is ${expected}: it was changed past CloudFormation, as cdk's --hotswap does`;

export const foreignNext = ({ service, expected }: ForeignRelease, { shared }: Manifest): Advice =>
  typed(`aws ecs update-service --cluster ${shared.cluster} --service ${service} --task-definition ${expected}`);

/** @throws Stop `release.foreign` */
export async function refuseForeign(aws: Pick<Aws, 'tasks'>, manifest: Manifest): Promise<void> {
  const foreign = await foreignReleases(aws, manifest);
  if (foreign.length === 0) return;
  throw new Stop('release.foreign', foreign.map((each) => foreignText(each, manifest)).join('; '), {
    state: 'Nothing was changed.',
    next: foreign.map((each) => foreignNext(each, manifest)),
    exit: exit.refused,
  });
}
