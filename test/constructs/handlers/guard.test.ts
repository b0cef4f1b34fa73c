import { handler } from '../../../lib/constructs/handlers/guard.lambda';
import { type Balancer, type Bench, startBench } from './balancer';
import { CloudFormation } from './cloudformation';

let all: Bench;
let bench: Balancer;
let cloudFormation: CloudFormation;
beforeAll(async () => {
  [all, cloudFormation] = [await startBench(), await CloudFormation.of(handler)];
});
beforeEach(async () => {
  bench = await all.balancer();
  await all.sandbox.call('ssm', 'DeleteParameters', { Names: ['/switchback/shop/state'] });
});
afterAll(async () => {
  await cloudFormation.stop();
  await all.sandbox.stop();
});

const state = (value: { production?: string; window?: string; opened: boolean }) =>
  all.sandbox.call('ssm', 'PutParameter', {
    Name: '/switchback/shop/state',
    Type: 'String',
    Overwrite: true,
    Value: JSON.stringify({ production: 'shop-database', ...value }),
  });

/** Rules at these priorities, as colors and runbooks leave them. */
async function rulesAt(...priorities: number[]): Promise<void> {
  for (const Priority of priorities) {
    await all.sandbox.call('elbv2', 'CreateRule', {
      ListenerArn: bench.listener,
      Priority,
      Conditions: [{ Field: 'path-pattern', PathPatternConfig: { Values: ['/*'] } }],
      Actions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200' } }],
    });
  }
}
const blueLive = () => rulesAt(1600, 1700, 1800);
const greenLive = () => rulesAt(1500, 1600, 1800);

const guard = (part: string, more: object = {}) => ({
  System: 'shop',
  Part: part,
  Protects: part === 'shared' ? 'shared' : part.startsWith('fallback') ? 'fallback' : 'color',
  Asks: 'change',
  Subject: 'release 2.0.0 (bbbb222)',
  Listener: bench.listener,
  FirstPriority: 1000,
  Deletable: false,
  Fingerprint: 'new',
  ...more,
});
const update = (part: string, more: object = {}) =>
  cloudFormation.update(`shop-${part}-change`, guard(part, more), guard(part, { ...more, Fingerprint: 'old' }));
const remove = (part: string, more: object = {}) =>
  cloudFormation.delete(`shop-${part}-deletion`, guard(part, { Asks: 'deletion', ...more }));
const accepted = expect.objectContaining({ Status: 'SUCCESS' });
const refused = (text: string) => expect.objectContaining({ Status: 'FAILED', Reason: expect.stringContaining(text) });

test('the live color does not change, whichever it is; the standby does', async () => {
  await state({ opened: true });
  await blueLive();
  expect(await update('blue')).toEqual(
    refused(
      'blue is live and stays as it is; what was to be deployed is release 2.0.0 (bbbb222). Next: set that release for green, npx cdk deploy green, and take it live with npx switchback cutover',
    ),
  );
  expect(await update('green')).toEqual(accepted);
  bench = await all.balancer();
  await greenLive();
  expect(await update('green')).toEqual(refused('green is live'));
  expect(await update('green', { Path: 'Prod' })).toEqual(refused('npx cdk deploy Prod/blue'));
  expect(await update('blue')).toEqual(accepted);
});

test('what an open window uses does not change', async () => {
  await state({ opened: true, window: 'w3' });
  await blueLive();
  expect(await update('green')).toEqual(refused('window w3 is open and uses green'));
  expect(await update('shared')).toEqual(refused('window w3 is open and uses shared'));
  expect(await update('blue')).toEqual(refused('blue is live'));
});

test('what a first opening uses does not change either, and how to get it mended is said', async () => {
  await state({ opened: false, window: 'w0' });
  await rulesAt(1400, 1600, 1700);
  expect(await update('blue')).toEqual(refused('npx switchback rollback takes a first opening back'));
});

test('a system that was never open may change at will, and a new color may be made', async () => {
  await rulesAt(1400, 1600, 1700);
  for (const part of ['shared', 'blue', 'green']) expect(await update(part)).toEqual(accepted);
  expect(await cloudFormation.create(guard('green'))).toEqual(accepted);
});

test('rules that serve customers count, even if no state says so', async () => {
  await blueLive();
  expect(await update('blue')).toEqual(refused('blue is live'));
});

test('an update that changes nothing but the guard is accepted', async () => {
  await state({ opened: true, window: 'w3' });
  await blueLive();
  expect(await cloudFormation.update('shop-blue-change', guard('blue'), guard('blue', { Deletable: true }))).toEqual(accepted);
});

test('a fallback is made once and never updated', async () => {
  expect(await cloudFormation.create(guard('fallback-w1'))).toEqual(accepted);
  expect(await update('fallback-w1')).toEqual(refused('fallback-w1 is made once and never updated'));
});

test('neither the live color, nor production, nor what they stand on is deleted', async () => {
  await state({ opened: true, production: 'shop-fallback-w1', window: 'w3' });
  await blueLive();
  expect(await remove('blue')).toEqual(refused('blue is live and serves customers'));
  expect(await remove('fallback-w1', { Instance: 'shop-fallback-w1' })).toEqual(refused('shop-fallback-w1 is the production database now'));
  expect(await remove('shared')).toEqual(refused('shop is open to customers'));
  // of another window.
  expect(await remove('fallback-w2', { Instance: 'shop-fallback-w2' })).toEqual(accepted);
});

test('what an open window uses is not deleted until the teardown has released it', async () => {
  await state({ opened: true, window: 'w3' });
  await blueLive();
  const [green, fallback] = [() => remove('green'), () => remove('fallback-w3', { Instance: 'shop-fallback-w3' })];
  expect(await green()).toEqual(refused('window w3 is open and uses green'));
  expect(await fallback()).toEqual(refused('window w3 is open and uses fallback-w3'));
  await state({ opened: true });
  expect(await green()).toEqual(accepted);
  expect(await fallback()).toEqual(accepted);
});

test('a system that may vanish may be deleted', async () => {
  await state({ opened: true });
  await blueLive();
  expect(await remove('blue', { Deletable: true })).toEqual(accepted);
});

test('a deletion is not the first guard’s question: refusing it there would come too late', async () => {
  await state({ opened: true });
  await blueLive();
  expect(await cloudFormation.delete('shop-blue-change', guard('blue'))).toEqual(accepted);
});

test('a request it cannot read is answered, with what to do', async () => {
  const { Protects: _, ...old } = guard('blue');
  expect(await cloudFormation.create(old)).toEqual(refused('the property Protects of the custom resource cannot be read'));
  expect(await cloudFormation.delete('switchback-never-made', old)).toEqual(accepted);
});
