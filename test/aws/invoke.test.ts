/** Whether a function ran: what AWS's own model says of Invoke, in its words, and what becomes of each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clients } from '../../lib/aws/clients';
import { Functions } from '../../lib/aws/invoke';
import { Stop } from '../../lib/base/errors';
import { TestClock } from '../_helpers/runbook';

/** What the SDK's authors say that Invoke may throw: the name, and whose fault. */
const documented = [
  ...readFileSync(join(__dirname, '../../node_modules/@aws-sdk/client-lambda/dist-types/commands/InvokeCommand.d.ts'), 'utf8').matchAll(
    /@throws \{@link (\w+)\} \((client|server) fault\)/g,
  ),
].map(([, name = '', fault = '']) => ({ name, status: fault === 'client' ? 400 : name === 'ServiceException' ? 500 : 502 }));

const failure = (name: string, status: number) => Object.assign(new Error(`${name} said`), { name, $metadata: { httpStatusCode: status } });
const answer = (value: unknown) => ({ Payload: Buffer.from(JSON.stringify(value)) });

/** A Lambda that answers so, one after the other, and the last for ever. */
function lambda(...answers: (Error | object)[]) {
  const [asked, said] = [[] as object[], [] as string[]];
  const clock = new TestClock();
  const client = {
    send: async ({ input }: { input: object }) => {
      asked.push(input);
      const next = answers.length > 1 ? answers.shift()! : answers[0]!;
      if (next instanceof Error) throw next;
      return next;
    },
  };
  const functions = new Functions({ lambda: client } as unknown as Clients, clock, (text) => void said.push(text));
  const stopped = async (): Promise<Stop> => {
    const error: unknown = await functions.invokeRunner({ runner: 'runner' }, {}).catch((thrown: unknown) => thrown);
    if (!(error instanceof Stop)) throw error;
    return error;
  };
  return { functions, asked, said, clock, stopped };
}

test('a function that slept is asked until it is awake, and a person is told once why it takes so long', async () => {
  const { functions, asked, said } = lambda(
    failure('ResourceNotReadyException', 502),
    failure('CodeArtifactUserPendingException', 409),
    failure('CodeArtifactUserPendingException', 409),
    answer({ state: 'finished' }),
  );
  expect(await functions.invokeRunner({ runner: 'runner' }, { system: 'video' })).toEqual({ state: 'finished' });
  expect(asked).toHaveLength(4);
  expect(said).toEqual(['runner has not been asked for a while: AWS makes it ready, which takes a minute or two']);
});

test('one that does not wake up is given up after five minutes, and did not run', async () => {
  const { stopped, clock } = lambda(failure('SubnetIPAddressLimitReachedException', 502));
  const begun = clock.elapsed();
  expect(await stopped()).toMatchObject({
    code: 'runner.asleep',
    message:
      'the runner runner is not ready after 5 minutes: SubnetIPAddressLimitReachedException: SubnetIPAddressLimitReachedException said',
    state: 'It did not run: nothing was changed.',
  });
  expect(clock.elapsed() - begun).toBeGreaterThan(290_000);
});

test('the model of Invoke has not lost the errors that this is about', () => {
  expect(documented.length).toBeGreaterThan(30);
  expect(documented.map(({ name }) => name)).toEqual(expect.arrayContaining(['ServiceException', 'KMSDisabledException']));
});

test.each(documented)('$name: only an error of the service itself leaves open whether it ran', async ({ name, status }) => {
  const { stopped } = lambda(failure(name, status));
  const { code, exit, state } = await stopped();
  expect({ name, mayHaveRun: exit === 7 }).toEqual({ name, mayHaveRun: name === 'ServiceException' });
  if (name === 'ServiceException') expect(code).toBe('runner.unanswered');
  else if (!['runner.busy', 'runner.missing'].includes(code)) expect(state).toBe('It did not run: nothing was changed.');
});

test('a lost answer, and an error that nobody has named, may have run', async () => {
  const lost = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET', $metadata: {} });
  for (const error of [lost, failure('InternalFailure', 500), failure('SomethingNewException', 503)])
    expect(await lambda(error).stopped()).toMatchObject({ code: 'runner.unanswered', exit: 7 });
});

test('it is asked again only where it did not run', async () => {
  const { stopped, asked } = lambda(failure('ServiceException', 500));
  await stopped();
  expect(asked).toHaveLength(1);
});

test('an error of the function itself is told with its words', async () => {
  const { stopped } = lambda({ FunctionError: 'Unhandled', ...answer({ errorMessage: 'no such table' }) });
  expect(await stopped()).toMatchObject({ code: 'runner.failed', message: 'the runner runner stopped: no such table' });
});
