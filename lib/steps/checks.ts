/** Smoke tests, the gate, and the watching after. */
import type { FrontDoor } from '../aws/traffic';
import { messageOf } from '../base/errors';
import { type Context, colorPart } from '../engine/context';
import { done, pending, type Step } from '../engine/step';
import type { Check, Color } from '../manifest/schema';
import { ask } from './http-probe';
import { firstUnhealthy, firstWrongAnswer, releaseText } from './release-proof';

/** Every check of the system against a color that customers do not see yet, by routing key. */
export function smokeTested(color: Color): Step {
  return {
    id: 'checks.smoke',
    title: `Run smoke tests against ${color}, past the maintenance page`,
    estimateSeconds: 5,
    patienceSeconds: 60,
    async observe(context) {
      const { checks, routingKey } = context.manifest.shared;
      const [door] = await context.aws.traffic.frontDoors(context.manifest);
      const found = await Promise.all(
        checks.map((check) => failureOf(context, color, check, door, { [routingKey.header]: routingKey[color] })),
      );
      const failures = found.filter((failure) => failure !== undefined);
      if (failures.length === 0) return done(`${checks.length} passed`);
      // tried again for a while: a task's first request may find its connections still opening.
      return context.waitedMs() > 15_000
        ? { is: 'failed', code: 'checks.smoke.failed', message: failures.join('; ') }
        : pending(failures.join('; '));
    },
  };
}

async function failureOf(
  context: Context,
  color: Color,
  check: Check,
  door: FrontDoor | undefined,
  headers: Record<string, string>,
): Promise<string | undefined> {
  const application = colorPart(context.manifest, color).applications.find(({ name }) => name === check.application);
  if (!application || !door) return `${check.application}${check.path}: there is no such application in ${color}`;
  try {
    const answer = await ask({ door, path: check.path, host: application.host, headers });
    if (answer.status !== check.status) return `${check.application}${check.path} answered ${answer.status}, not ${check.status}`;
    const { version } = colorPart(context.manifest, color).release;
    if (answer.release !== version)
      return `${check.application}${check.path} answered ${answer.release === undefined ? releaseText(answer) : `release ${answer.release}`}, expected ${version}`;
    if (check.contains !== undefined && !answer.body.includes(check.contains))
      return `${check.application}${check.path} does not contain "${check.contains}"`;
    return undefined;
  } catch (error) {
    return `${check.application}${check.path} did not answer: ${messageOf(error)}`;
  }
}

/** People say go or no-go, with a name and a reason, from any terminal. */
export function goNoGo(landingTests: readonly string[]): Step {
  const tests = landingTests.length > 0 ? `${landingTests.join(', ')}: passed? ` : '';
  return {
    id: 'gate.go',
    title: landingTests.length > 0 ? `Landing tests (${landingTests.join(', ')}), then go or no-go` : 'Go or no-go',
    estimateSeconds: 600,
    patienceSeconds: Number.POSITIVE_INFINITY,
    gate: `${tests}Go?`,
    async observe(context) {
      const answer = context.view.answers.get('gate.go');
      return answer ? done(`${answer.answer}: ${answer.reason}`) : pending('nobody has answered yet');
    },
  };
}

/** The site is open; it is looked at for a while before anybody goes home. */
export function watched(color: Color, seconds: number): Step {
  let failuresInARow = 0;
  return {
    id: 'watch',
    title: `Watch ${color} for ${seconds} s`,
    estimateSeconds: seconds,
    patienceSeconds: seconds + 300,
    pollMs: 1000,
    async observe(context) {
      const problem = (await firstUnhealthy(context, color)) ?? (await firstWrongAnswer(context, color, { times: 1 }));
      failuresInARow = problem ? failuresInARow + 1 : 0;
      // one bad look may be a task that is being replaced; three are a reason to wake somebody.
      if (problem && failuresInARow >= 3) return { is: 'failed', code: 'watch.unhealthy', message: problem };
      const watchedFor = Math.floor(context.waitedMs() / 1000);
      if (watchedFor >= seconds && !problem) return done(`healthy for ${seconds} s`);
      return pending(problem ?? `healthy for ${watchedFor} of ${seconds} s`);
    },
  };
}
