/** `cdk deploy --hotswap` gives a service another task definition, past CloudFormation and the guard: it is seen, and named. */
import type { Aws } from '../../lib/aws';
import { typed } from '../../lib/base/advice';
import { Stop } from '../../lib/base/errors';
import type { Verb } from '../../lib/engine/events';
import type { ColorPart, Manifest } from '../../lib/manifest/schema';
import { checkReleases } from '../../lib/operations/release-check';
import type { VerbRequest } from '../../lib/operations/request';
import { runVerb } from '../../lib/operations/run-verb';
import { checkScreen } from '../../lib/report/health-check';
import { failureLines } from '../../lib/report/messages';
import { foreignNext, foreignReleases, foreignText } from '../../lib/steps/foreign-release';
import { manifest as modelled, operator, Rig, unopenedSystem } from '../_helpers/runbook';
import { plain, screen } from '../report/night';

const noted = (part: ColorPart): ColorPart => ({
  ...part,
  applications: part.applications.map((each) => ({ ...each, revision: '4' })),
  workers: part.workers.map((each) => ({ ...each, revision: '4' })),
});
const manifest: Manifest = { ...modelled, blue: noted(modelled.blue!), green: noted(modelled.green!) };

/** Services run what their stacks gave them, but for these. */
const services = (swapped: Record<string, string> = {}) => ({
  services: async (_cluster: string, names: readonly string[]) =>
    names.map((name) => ({ name, taskDefinition: swapped[name] ?? `${name}:4` })),
});
const aws = (swapped?: Record<string, string>) => ({ tasks: services(swapped) }) as unknown as Aws;

test('each service that runs another task definition is named, with what to type', async () => {
  expect(await foreignReleases(aws(), manifest)).toEqual([]);
  const [one, ...more] = await foreignReleases(aws({ 'blue-site': 'blue-site:5' }), manifest);
  expect(more).toEqual([]);
  expect(foreignText(one!, manifest)).toBe(
    "blue-site runs blue-site:5, and blue's release 1.0.0 is blue-site:4: it was changed past CloudFormation, as cdk's --hotswap does",
  );
  expect(foreignNext(one!, manifest)).toEqual(
    typed('aws ecs update-service --cluster cluster --service blue-site --task-definition blue-site:4'),
  );
  const all = await foreignReleases(aws({ 'green-clock': 'green-clock:1', 'blue-site': 'blue-site:5' }), manifest);
  expect(all.map(({ service }) => service)).toEqual(['blue-site', 'green-clock']);
});

test('what stacks of an earlier version deployed is not asked about', async () => {
  expect(await foreignReleases({} as Aws, modelled)).toEqual([]);
});

async function first(verb: Verb, swapped: Record<string, string>) {
  const rig = new Rig();
  const made = { ...unopenedSystem(rig), tasks: services(swapped) } as unknown as Aws;
  const state = { production: 'video-db', opened: false };
  Object.assign(made, { settings: { manifest: async () => ({ manifest, state }), state: async () => state } });
  const request: VerbRequest = { system: 'video', verb, run: 'ada', by: operator };
  const reply = await runVerb(request, { aws: made, clock: rig.clock, runner: 'test', deadline: 0 });
  return { reply, events: rig.store.objects.size, rig, made, request };
}

test.each(['stage', 'cutover'] as const)('a %s is refused before a window is opened', async (verb) => {
  const { reply, events } = await first(verb, { 'green-site': 'green-site:9' });
  expect(events).toBe(0);
  expect(reply).toMatchObject({ state: 'stopped', code: 'release.foreign', exit: 6, world: 'Nothing was changed.' });
  expect((await first(verb, {})).reply).toMatchObject({ state: 'continue' });
});

test('a window that is open already is looked at by the next run, and not by its next invocation', async () => {
  const { rig, made, request } = await first('stage', {});
  Object.assign(made, { tasks: services({ 'blue-site': 'blue-site:5' }) });
  const again = (run: string) => runVerb({ ...request, run }, { aws: made, clock: rig.clock, runner: 'test', deadline: 0 });
  expect(await again('ada')).toMatchObject({ state: 'continue' });
  rig.clock.time += 61_000;
  expect(await again('bob')).toMatchObject({ code: 'release.foreign' });
});

describe.each([80, 200])('the whole screen at %i columns', (columns) => {
  const style = { ...plain, columns: Math.min(columns, 100) };
  const words = async () => {
    const [one] = await foreignReleases(aws({ 'blue-site': 'blue-site:5' }), manifest);
    return { text: foreignText(one!, manifest), next: foreignNext(one!, manifest) };
  };

  test('of what is refused', async () => {
    const { text, next } = await words();
    const stop = new Stop('release.foreign', text, { state: 'Nothing was changed.', next: [next] });
    expect(failureLines(stop, style)).toEqual(
      screen(
        columns === 80
          ? `
✖ release.foreign: blue-site runs blue-site:5, and blue's release 1.0.0 is
  blue-site:4: it was changed past CloudFormation, as cdk's --hotswap does
  Nothing was changed.

Next
  aws ecs update-service --cluster cluster --service blue-site --task-definition blue-site:4
`
          : `
✖ release.foreign: blue-site runs blue-site:5, and blue's release 1.0.0 is blue-site:4: it was
  changed past CloudFormation, as cdk's --hotswap does
  Nothing was changed.

Next
  aws ecs update-service --cluster cluster --service blue-site --task-definition blue-site:4
`,
      ),
    );
  });

  test('of the check', async () => {
    expect(await checkReleases(aws(), modelled)).toEqual([]);
    expect(await checkReleases(aws(), manifest)).toEqual([
      { name: 'release', ok: true, what: ['blue runs 1.0.0, green runs 2.0.0'], next: [] },
    ]);
    const checks = await checkReleases(aws({ 'blue-site': 'blue-site:5' }), manifest);
    expect(checkScreen({ at: '2026-03-01T02:00:00Z', system: 'video', checks }, style)).toEqual(
      screen(
        columns === 80
          ? `
video, looked at 2026-03-01 02:00 UTC

✖ release    blue-site runs blue-site:5, and blue's release 1.0.0 is
             blue-site:4: it was changed past CloudFormation, as cdk's --hotswap
             does
             → aws ecs update-service --cluster cluster --service blue-site
             --task-definition blue-site:4

1 of 1 not as it should be.
`
          : `
video, looked at 2026-03-01 02:00 UTC

✖ release    blue-site runs blue-site:5, and blue's release 1.0.0 is blue-site:4: it was changed
             past CloudFormation, as cdk's --hotswap does
             → aws ecs update-service --cluster cluster --service blue-site --task-definition
             blue-site:4

1 of 1 not as it should be.
`,
      ),
    );
  });
});
