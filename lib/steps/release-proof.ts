/** A release is proven by asking: every application, every address, many times in a row. */

import { type Context, colorPart } from '../engine/context';
import { done, pending, type Step } from '../engine/step';
import type { Color } from '../manifest/schema';
import { type Answer, firstWrong } from './http-probe';

const timesInARow = 10;

/** Through the front door, as customers come: every answer carries the color's release. */
export function releaseProven(color: Color): Step {
  return {
    id: 'traffic.proof',
    title: `Prove that every address answers with ${color}'s release, ${timesInARow} times in a row`,
    estimateSeconds: 5,
    patienceSeconds: 120,
    async observe(context) {
      const wrong = await firstWrongAnswer(context, color, { times: timesInARow });
      return wrong ? pending(wrong) : done(`${colorPart(context.manifest, color).release.version} from every application`);
    },
  };
}

/** The color is up out of traffic: its tasks settled and healthy, and it answers by routing key with the release git says. */
export function releaseReady(color: Color): Step {
  return {
    id: 'release.ready',
    title: `Check that ${color} is up, healthy and runs its release`,
    estimateSeconds: 5,
    patienceSeconds: 600,
    async observe(context) {
      const unhealthy = await firstUnhealthy(context, color);
      if (unhealthy) return pending(unhealthy);
      const wrong = await firstWrongAnswer(context, color, { times: 1, byKey: true });
      if (wrong) return pending(wrong);
      const { release } = colorPart(context.manifest, color);
      return done(`${release.version} (${release.commit.slice(0, 12)})`);
    },
  };
}

/** The first application whose tasks or targets are not as wanted; undefined when all are. */
export async function firstUnhealthy(context: Context, color: Color): Promise<string | undefined> {
  const part = colorPart(context.manifest, color);
  const states = await context.aws.tasks.services(
    context.manifest.shared.cluster,
    part.applications.map(({ service }) => service),
  );
  const healths = await Promise.all(part.applications.map(({ targetGroup }) => context.aws.traffic.health(targetGroup)));
  for (const [i, application] of part.applications.entries()) {
    const state = states.find(({ name }) => name === application.service);
    if (!state || state.wanted === 0) return `${application.name}: its service ${application.service} wants no tasks`;
    if (!state.deployment.settled)
      return `${application.name}: ${state.running} of ${state.wanted} tasks run, deployment ${state.deployment.state}`;
    const health = healths[i];
    if (health && health.healthy < state.wanted)
      return `${application.name}: ${health.healthy} of ${state.wanted} targets healthy${health.others.length > 0 ? `: ${health.others.join(', ')}` : ''}`;
  }
  return undefined;
}

/** What an answer says of its release, or which header it lacks. */
export const releaseText = ({ release, commit }: Pick<Answer, 'release' | 'commit'>): string =>
  release === undefined
    ? 'without the header x-release'
    : commit === undefined
      ? `release ${release} without the header x-commit`
      : `release ${release} (${commit})`;

/** Asks every application through every address; the first answer that is not the color's release, in words. */
export async function firstWrongAnswer(
  context: Context,
  color: Color,
  how: { times: number; byKey?: boolean },
): Promise<string | undefined> {
  const { release, applications } = colorPart(context.manifest, color);
  const { routingKey } = context.manifest.shared;
  const headers = how.byKey ? { [routingKey.header]: routingKey[color] } : {};
  const judge = (answer: Answer): string | undefined => {
    if (answer.status !== 200) return `answered ${answer.status}`;
    return answer.release === release.version && answer.commit === release.commit
      ? undefined
      : `answered ${releaseText(answer)}, expected ${release.version} (${release.commit})`;
  };
  return firstWrong(context, applications, judge, { times: how.times, headers });
}
