import type { Aws } from '../../lib/aws';
import { deploy, say, switchback } from '../../lib/base/advice';
import { wallClock } from '../../lib/base/clock';
import type { CheckReport } from '../../lib/operations/check-report';
import { makeOutput } from '../../lib/report';
import { showCheck } from '../../lib/terminal/show';
import { manifest, operator } from '../_helpers/runbook';

const at = '2026-11-21T02:00:00.000Z';
const fine = { name: 'feed', ok: true, what: ['alive, 0.2 s behind'], next: [] };
const wrong = { name: 'fence', ok: false, what: ['video_blue may write'], next: [say`REVOKE video_write FROM video_blue`] };

/** What the command prints with --json, and its exit code, when the runner answers so. */
async function run(answer: object, deployed = manifest) {
  const asked: object[] = [];
  const printed: string[] = [];
  const stdout = { write: (text: string) => printed.push(text) } as unknown as NodeJS.WriteStream;
  const aws = {
    settings: { manifest: async () => ({ manifest: deployed, state: undefined }) },
    functions: {
      invokeRunner: async ({ runner: name }: { runner: string }, request: object) => {
        asked.push({ name, ...request });
        return answer;
      },
    },
  } as unknown as Aws;
  const output = makeOutput({ json: true, color: false, stdout, stderr: stdout, env: {} });
  const code = await showCheck(aws, 'video', false, output, wallClock, operator);
  return { code, asked, lines: printed.map((text) => JSON.parse(text)) };
}
const report = (...checks: CheckReport['checks']): CheckReport => ({ at, system: 'video', window: 'w1', checks });

test('the runner looks, as the databases are private; what it saw is one object, and the exit code says whether all is well', async () => {
  const { code, asked, lines } = await run({ state: 'finished', check: report(fine) });
  expect(code).toBe(0);
  expect(asked).toEqual([expect.objectContaining({ name: 'runner', system: 'video', check: true, by: operator })]);
  expect(lines).toEqual([{ event: 'check', ok: true, at, system: 'video', window: 'w1', checks: [fine] }]);
});

test('one thing that is not as it should be is enough for exit code 1', async () => {
  const { code, lines } = await run({ state: 'finished', check: report(fine, wrong) });
  expect(code).toBe(1);
  expect(lines[0]).toMatchObject({ ok: false, checks: [fine, { ...wrong, next: ['REVOKE video_write FROM video_blue'] }] });
});

test('a runner that could not look says why, and one of an older Switchback what to deploy', async () => {
  const stopped = { state: 'stopped', code: 'aws.unreachable', message: 'no answer', next: [switchback('status')], exit: 1 };
  await expect(run(stopped)).rejects.toMatchObject({ code: 'aws.unreachable', next: [switchback('status')] });
  await expect(run({ state: 'finished' })).rejects.toMatchObject({ code: 'runner.old', next: [deploy('shared')] });
});

test('the advice of a runner that an earlier version deployed is shown as it stands', async () => {
  const stopped = { state: 'stopped', code: 'aws.unreachable', message: 'no answer', next: ['npm run status'], exit: 1 };
  await expect(run(stopped)).rejects.toMatchObject({ next: [{ say: ['npm run status'] }] });
  const earlier = { ...wrong, next: ['REVOKE video_write FROM video_blue'] } as unknown as typeof wrong;
  const { lines } = await run({ state: 'finished', check: report(earlier) });
  expect(lines[0].checks).toEqual([earlier]);
});

test('what to deploy is named as the app has it', async () => {
  const staged = { ...manifest, shared: { ...manifest.shared, stackPath: 'Prod' } };
  await expect(run({ state: 'finished' }, staged)).rejects.toMatchObject({ next: [deploy('Prod/shared')] });
});
