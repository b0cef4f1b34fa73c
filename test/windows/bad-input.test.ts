/** Wrong use, before anything is at stake: one sentence with the value at fault, what to do, the right exit code, nothing changed. */
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { manifestVersion } from '../../lib/manifest/schema';
import { dateTime } from '../../lib/report/style';
import { sandboxForTest, type TestSandbox } from '../../packages/sandbox/test/_helpers/sandbox';
import { type Run, script } from './bad-input/script';

let sandbox: TestSandbox;
/** The environment of somebody who has done as the README says. */
let env: Record<string, string>;
beforeAll(async () => {
  sandbox = await sandboxForTest({ speed: 600 });
  env = { ...sandbox.env };
});
afterAll(() => sandbox.stop());

const run = (verb: string, args: readonly string[] = [], more: Record<string, string | undefined> = {}): Promise<Run> =>
  script(verb, args, { ...env, ...more });

const put = (name: string, value: object): Promise<void> =>
  sandbox.call('ssm', 'PutParameter', { Name: name, Value: JSON.stringify(value), Type: 'String', Overwrite: true });

describe('the words of a command', () => {
  test.each([
    ['a flag that does not exist', 'cutover', ['--yess'], 'cutover has no option --yess', 'did you mean --yes?'],
    ['a choice that does not exist', 'plan', ['--verb', 'deploy'], "argument 'deploy' is invalid", 'stage, cutover, rollback, teardown'],
    ['a flag without its value', 'stage', ['--system'], '--system takes a value, <name>', 'npm run stage -- --help'],
    ['a patience that is no time', 'stage', ['--patience', 'soon'], "argument 'soon' is invalid", 'a number of seconds above 0'],
    ['a reason that says nothing', 'rollback', ['--reason', ''], "option '--reason <text>' argument '' is invalid", 'it is empty'],
    ['an hour that is none', 'plan', ['--up-by', '25:99'], '--up-by 25:99 is neither HH:MM nor an ISO time', '--up-by 04:30'],
    [
      'an hour that is over',
      'plan',
      ['--up-by', '2020-01-01T00:00:00Z'],
      `up-by.past: --up-by ${dateTime('2020-01-01T00:00:00Z', { paint: (_, text) => text, columns: 80, rows: 24 })} is over`,
      '--up-by 04:30',
    ],
    ['a word too many', 'status', ['video'], "status takes options only, got the word 'video'", 'npm run status -- --help'],
    ['a speed that is none', 'sandbox', ['--speed', 'fast'], "argument 'fast' is invalid", 'a number greater than 0'],
    ['a port that is none', 'sandbox', ['--port', '70000'], "argument '70000' is invalid", '0 to 65535'],
    ['a rate that is none', 'rehearse', ['--rate', '0'], "argument '0' is invalid", 'above 0'],
  ])('%s', async (_, verb, args, what, next) => {
    const { code, text } = await run(verb, args);
    expect(text).toContain(what);
    expect(text).toContain(next);
    expect(code).toBe(2);
  });

  test('no terminal to ask at, and no --yes', async () => {
    await put('/switchback/alone/shared', { manifest: manifestVersion - 1 });
    const { code, text } = await run('cutover', ['--system', 'alone']);
    await sandbox.call('ssm', 'DeleteParameter', { Name: '/switchback/alone/shared' });
    expect(text).toContain('cutover changes what customers see, and there is no terminal to ask');
    expect(text).toContain('npm run cutover -- --yes');
    expect(code).toBe(2);
  });
});

describe('the account', () => {
  test('no credentials', async () => {
    const none = { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined };
    const { code, text } = await run('status', [], none);
    expect(text).toContain('credentials.missing: no AWS credentials were found');
    expect(text).toContain('aws sso login');
    expect(text).toContain('eval "$(npm run --silent sandbox -- env)"');
    expect(code).toBe(2);
  });

  test('a profile that does not exist', async () => {
    const { code, text } = await run('status', [], {
      AWS_PROFILE: 'nobody',
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
    });
    expect(text).toContain('credentials.missing: no AWS credentials were found for the profile nobody');
    expect(text).toContain('aws sso login --profile nobody');
    expect(code).toBe(2);
  });

  test('no Region', async () => {
    const { code, text } = await run('status', [], { AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined });
    expect(text).toContain('region.missing: no AWS Region is set');
    expect(text).toContain('export AWS_REGION=');
    expect(code).toBe(2);
  });

  test('an endpoint where nothing answers', async () => {
    const port = await closedPort();
    const { code, text } = await run('stage', [], { AWS_ENDPOINT_URL: `http://localhost:${port}` });
    expect(text).toContain(`sandbox.unreachable: nothing answers at AWS_ENDPOINT_URL http://localhost:${port}`);
    expect(text).toContain('npm run sandbox -- --detach');
    expect(code).toBe(2);
  });

  test('an endpoint that is no address', async () => {
    const { code, text } = await run('status', [], { AWS_ENDPOINT_URL: 'localhost:4566' });
    expect(text).toContain('endpoint.invalid: AWS_ENDPOINT_URL localhost:4566 is no address: it begins with http:// or https://');
    expect(code).toBe(2);
  });

  test('an endpoint that takes connections and never answers: told within seconds', async () => {
    const deaf = createServer((socket) => socket.on('error', () => undefined));
    const endpoint = `http://localhost:${await listen(deaf)}`;
    const from = performance.now();
    const { code, text } = await run('status', [], { AWS_ENDPOINT_URL: endpoint });
    deaf.close();
    expect(text).toContain(`aws.unreachable: AWS_ENDPOINT_URL ${endpoint} takes the connection and does not answer`);
    expect(performance.now() - from).toBeLessThan(25_000);
    expect(code).toBe(2);
  });

  test.each([200, 404])('an endpoint behind which there is something else, answering %i', async (status) => {
    const server = createHttp((_, response) => response.writeHead(status).end('<html>hello</html>'));
    const endpoint = `http://localhost:${await listen(server)}`;
    const { code, text } = await run('status', [], { AWS_ENDPOINT_URL: endpoint });
    await closed(server);
    expect(text).toContain(`endpoint.not-aws: what answers at AWS_ENDPOINT_URL ${endpoint} is not AWS`);
    expect(text).toContain('eval "$(npm run --silent sandbox -- env)"');
    expect(code).toBe(2);
  });
});

describe('the system', () => {
  test('none has been deployed', async () => {
    const { code, text } = await run('status');
    expect(text).toContain('system.none: no system has been deployed in this account and Region');
    expect(text).toContain('npx cdk deploy shared blue');
    expect(code).toBe(2);
  });

  test('an unknown one, with and without others', async () => {
    const alone = await run('stage', ['--system', 'vidoe']);
    expect(alone.text).toContain('manifest.missing: there is no system "vidoe" in this account and Region');
    expect(alone.text).toContain('npx cdk deploy shared blue');
    expect(alone.code).toBe(2);

    await put('/switchback/video/shared', {});
    const { code, text } = await run('rollback', ['--yes', '--system', 'vidoe']);
    expect(text).toContain('there is no system "vidoe"');
    expect(text).toContain('There is: video.');
    expect(text).toContain('--system video');
    expect(code).toBe(2);
  });

  test('several, and none named', async () => {
    await put('/switchback/video/shared', {});
    await put('/switchback/shop/shared', {});
    const { code, text } = await run('status');
    await sandbox.call('ssm', 'DeleteParameter', { Name: '/switchback/shop/shared' });
    expect(text).toContain('there are several systems here: ');
    expect(text).toContain('--system shop');
    expect(text).toContain('--system video');
    expect(code).toBe(2);
  });

  test('a manifest of another version, and one that cannot be read', async () => {
    await put('/switchback/video/shared', { manifest: 99 });
    for (const [verb, ...args] of [['status'], ['cutover', '--yes'], ['rollback', '--yes', '--here']] as const) {
      const { code, text } = await run(verb, args);
      expect(text).toContain(`the parameter /switchback/video/shared has manifest version 99, this Switchback reads ${manifestVersion}`);
      expect(text).toContain('npx cdk deploy shared');
      expect(code).toBe(2);
    }
    await put('/switchback/video/shared', { manifest: manifestVersion, part: 'shared', system: 7 });
    const { code, text } = await run('status');
    expect(text).toContain('manifest.invalid: the parameter /switchback/video/shared cannot be read: ');
    expect(text).toContain('npx cdk deploy shared');
    expect(code).toBe(2);
  });

  test('with --json wrong words are an object for programs, too', async () => {
    for (const [verb, ...args] of [
      ['cutover', '--answr', 'go'],
      ['rollback', '--traffic-only', '--by', '--yes'],
      ['stage', '--patience', 'soon'],
    ] as const) {
      const { code, stdout, text } = await run(verb, ['--json', ...args]);
      expect(JSON.parse(stdout)).toMatchObject({ event: 'error', code: 'usage', exit: 2, next: [`npm run ${verb} -- --help`] });
      expect(text.trim()).toBe(stdout.trim());
      expect(code).toBe(2);
    }
  });

  test('with --json the sentence is an object for programs', async () => {
    const { code, stdout } = await run('status', ['--json', '--system', 'vidoe']);
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'error',
      code: 'manifest.missing',
      exit: 2,
      message: expect.stringContaining('vidoe'),
    });
    expect(code).toBe(2);
  });
});

describe('the sandbox', () => {
  test('a port in use', async () => {
    const { code, text } = await run('sandbox', ['--port', String(sandbox.port), '--folder', `${sandbox.folder}/another`]);
    expect(text).toContain(`port ${sandbox.port} is in use by another process; choose another with --port, or 0 for a free one.`);
    expect(code).toBe(2);
  });

  test('a folder in use', async () => {
    const { code, text } = await run('sandbox', ['--port', '0', '--folder', sandbox.folder]);
    expect(text).toContain(`a sandbox already runs on ${sandbox.folder}`);
    expect(text).toContain('sandbox -- stop --folder');
    expect(code).toBe(2);
  });

  test('asked about where none runs', async () => {
    const { code, text } = await run('sandbox', ['stop', '--folder', `${sandbox.folder}/nothing`]);
    expect(text).toContain('no sandbox runs on');
    expect(text).toContain('npm run sandbox -- --detach');
    expect(code).toBe(1);
  });
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

const closed = (server: Server): Promise<unknown> => new Promise((done) => server.close(done));

/** A port nothing listens on. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await closed(server);
  return port;
}
