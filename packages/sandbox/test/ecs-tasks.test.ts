import { ask } from './balancer-support';
import { alive, Cluster, idOf, portOf } from './ecs-support';
import { eventually } from './tiny';

let cluster: Cluster;
beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.stop());

const refused = (code: string, text = '') => expect.objectContaining({ code, message: expect.stringContaining(text) });

test('a task is a process: it goes from PROVISIONING to RUNNING, serves, and stops with SIGTERM', async () => {
  const task = await cluster.run(await cluster.definition('a'), { startedBy: 'test' });
  expect(task).toMatchObject({ lastStatus: 'PROVISIONING', desiredStatus: 'RUNNING', startedBy: 'test', group: 'family:a' });
  const running = await eventually(async () => {
    const now = await cluster.task(task.taskArn);
    return now.lastStatus === 'RUNNING' && now;
  });
  await eventually(async () => (await ask(portOf(running)).catch(() => undefined))?.body === 'a');
  const pid = Number((await ask(portOf(running), '/pid')).body);
  await cluster.call('StopTask', { task: task.taskArn, reason: 'enough' });
  const stopped = await cluster.stopped(task.taskArn);
  expect(stopped).toMatchObject({ stopCode: 'UserInitiated', stoppedReason: 'enough', desiredStatus: 'STOPPED' });
  expect(stopped.containers![0]).toMatchObject({ exitCode: 0, lastStatus: 'STOPPED' });
  expect(stopped.startedAt!.getTime()).toBeLessThanOrEqual(stopped.stoppedAt!.getTime());
  expect(alive(pid)).toBe(false);
  expect(await cluster.lines(`a/app/${idOf(task)}`)).toEqual(['listening', 'SIGTERM', 'closed']);
});

test('the environment is the definition, the overrides, the secrets and what the sandbox gives, nothing of the parent', async () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:database-AbCdEf';
  Object.assign(cluster.values, {
    [arn]: '{"host":"db.local","port":5432}',
    [`${arn}@AWSPREVIOUS`]: '{"host":"old.local"}',
    '/app/flag': 'on',
    plain: 'yes',
  });
  process.env['OF_THE_PARENT'] = 'secret';
  const definition = await cluster.definition('a', {
    environment: [
      { name: 'RELEASE', value: 'a' },
      { name: 'KEPT', value: 'kept' },
    ],
    secrets: [
      { name: 'ALL', valueFrom: arn },
      { name: 'DB_HOST', valueFrom: `${arn}:host::` },
      { name: 'DB_PORT', valueFrom: `${arn}:port::` },
      { name: 'OLD_HOST', valueFrom: `${arn}:host:AWSPREVIOUS:` },
      { name: 'FLAG', valueFrom: 'arn:aws:ssm:eu-central-1:111122223333:parameter/app/flag' },
      { name: 'PLAIN', valueFrom: 'arn:aws:ssm:eu-central-1:111122223333:parameter/plain' },
      { name: 'NAMED', valueFrom: '/app/flag' },
    ],
  });
  const task = await cluster.run(definition, {
    overrides: { containerOverrides: [{ name: 'app', environment: [{ name: 'RELEASE', value: 'b' }] }] },
  });
  delete process.env['OF_THE_PARENT'];
  const answer = await eventually(async () => ask(portOf(await cluster.task(task.taskArn)), '/env').catch(() => undefined));
  const port = String(portOf(await cluster.task(task.taskArn)));
  const { PWD: _pwd, SHLVL: _level, OLDPWD: _old, _: _underscore, ...environment } = JSON.parse(answer.body);
  expect(environment).toEqual({
    RELEASE: 'b',
    KEPT: 'kept',
    ALL: '{"host":"db.local","port":5432}',
    DB_HOST: 'db.local',
    DB_PORT: '5432',
    OLD_HOST: 'old.local',
    FLAG: 'on',
    PLAIN: 'yes',
    NAMED: 'on',
    HOST: '127.0.0.1',
    PORT: port,
    PATH: expect.any(String),
    HOME: expect.stringContaining('/app/v1'),
    AWS_ENDPOINT_URL: 'http://localhost:1',
    AWS_REGION: 'eu-central-1',
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: expect.any(String),
    AWS_SECRET_ACCESS_KEY: expect.any(String),
    AWS_SESSION_TOKEN: expect.any(String),
    AWS_EC2_METADATA_DISABLED: 'true',
  });
});

test('what keeps a task from starting is its stopped reason', async () => {
  const reason = async (container: object): Promise<string> => {
    const task = await cluster.run(await cluster.definition('a', container));
    const stopped = await cluster.stopped(task.taskArn);
    expect(stopped.stopCode).toBe('TaskFailedToStart');
    return stopped.stoppedReason!;
  };
  expect(await reason({ image: 'repository/app:v9' })).toMatch(/^CannotPullContainerError: .*repository\/app:v9: not found.*app\/v9/);
  expect(await reason({ image: '../../etc:..' })).toMatch(/^CannotPullContainerError/);
  expect(await reason({ command: [] })).toMatch(/^CannotStartContainerError: no command/);
  expect(await reason({ command: ['nonsense'] })).toMatch(/^CannotStartContainerError: exec: "nonsense"/);
  const secret = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:missing-AbCdEf';
  expect(await reason({ secrets: [{ name: 'A', valueFrom: secret }] })).toMatch(
    /^ResourceInitializationError: .*missing-AbCdEf.*ResourceNotFoundException/,
  );
  cluster.values[secret] = '{"password":"hunter2"}';
  const noKey = await reason({ secrets: [{ name: 'A', valueFrom: `${secret}:user::` }] });
  expect(noKey).toMatch(/^ResourceInitializationError: .*did not contain json key user/);
  expect(noKey).not.toContain('hunter2');
  const options = { 'awslogs-group': '/none', 'awslogs-stream-prefix': 'a' };
  expect(await reason({ logConfiguration: { logDriver: 'awslogs', options } })).toMatch(/^ResourceInitializationError: .*\/none/);
});

test('a one-off task ends by itself: its exit code is kept and no line of its output is lost', async () => {
  cluster.image('job/v1', {
    'job.js':
      "for (let i = 0; i < 5000; i++) console.log('line ' + i); console.error('at the end'); process.stdout.write('unfinished'); process.exitCode = 3;",
  });
  const task = await cluster.run(await cluster.definition('job', { image: 'job:v1', command: ['node', 'server.js'] }), {
    overrides: { containerOverrides: [{ name: 'app', command: ['node', 'job.js'] }] },
  });
  const stopped = await cluster.stopped(task.taskArn);
  expect(stopped).toMatchObject({ stopCode: 'EssentialContainerExited', stoppedReason: 'Essential container in task exited' });
  expect(stopped.containers![0]!.exitCode).toBe(3);
  const lines = await cluster.lines(`job/app/${idOf(task)}`);
  expect(lines).toHaveLength(5002);
  expect(lines.filter((line) => line.startsWith('line '))).toEqual(Array.from({ length: 5000 }, (_, index) => `line ${index}`));
  expect(lines).toEqual(expect.arrayContaining(['at the end', 'unfinished']));
});

test('a task that ignores SIGTERM is killed after its stop timeout, with everything it started', async () => {
  cluster.image('stubborn/v1', {
    'server.js':
      "process.on('SIGTERM', () => {}); const c = require('child_process').spawn('sleep', ['600']); console.log(process.pid + ' ' + c.pid); setInterval(() => {}, 1000);",
  });
  const task = await cluster.run(await cluster.definition('stubborn', { image: 'stubborn:v1', stopTimeout: 10 }));
  const [line] = await eventually(async () => {
    const lines = await cluster.lines();
    return lines.length > 0 && lines;
  });
  const started = Date.now();
  await cluster.call('StopTask', { task: task.taskArn });
  await eventually(async () => (await cluster.task(task.taskArn)).lastStatus === 'STOPPING');
  const stopped = await cluster.stopped(task.taskArn);
  expect(Date.now() - started).toBeGreaterThanOrEqual(950);
  expect(stopped.containers![0]!.exitCode).toBe(137);
  // an orphan is there until the machine's first process has seen its end.
  for (const pid of line!.split(' ')) await eventually(() => !alive(Number(pid)));
});

test('RunTask with the same client token starts nothing twice', async () => {
  const definition = await cluster.definition('a');
  const first = await cluster.run(definition, { clientToken: 'w1-migrate', startedBy: 'w1' });
  const second = await cluster.run(definition, { clientToken: 'w1-migrate', startedBy: 'w1' });
  expect(second.taskArn).toBe(first.taskArn);
  await expect(cluster.run(definition, { clientToken: 'w1-migrate', startedBy: 'w2' })).rejects.toEqual(refused('ConflictException'));
  expect((await cluster.call('ListTasks', { startedBy: 'w1' })).taskArns).toEqual([first.taskArn]);
});

test('what ECS refuses is refused with its code', async () => {
  const definition = await cluster.definition('a');
  await expect(cluster.call('RunTask', { taskDefinition: definition })).rejects.toEqual(
    refused('InvalidParameterException', 'Network Configuration'),
  );
  await expect(cluster.run('b')).rejects.toEqual(refused('ClientException', 'TaskDefinition not found'));
  await expect(cluster.run(definition, { overrides: { containerOverrides: [{ name: 'web' }] } })).rejects.toEqual(
    refused('InvalidParameterException', 'web'),
  );
  await expect(cluster.call('RunTask', { cluster: 'none', taskDefinition: definition })).rejects.toEqual(
    refused('ClusterNotFoundException'),
  );
  await expect(cluster.call('StopTask', { task: 'none' })).rejects.toEqual(refused('InvalidParameterException', 'not found'));
  const two = { family: 'two', containerDefinitions: ['a', 'b'].map((name) => ({ name, image: 'app:v1' })) };
  await expect(cluster.call('RegisterTaskDefinition', two)).rejects.toEqual(refused('ClientException', 'exactly one container'));
  expect(await cluster.call('DescribeTasks', { tasks: ['none'] })).toMatchObject({ tasks: [], failures: [{ reason: 'MISSING' }] });
});

test('task definitions are numbered; a deregistered one starts nothing new', async () => {
  const [first, second] = [await cluster.definition('a'), await cluster.definition('a')];
  expect([first, second].map((arn) => arn.split('/')[1])).toEqual(['a:1', 'a:2']);
  await cluster.call('DeregisterTaskDefinition', { taskDefinition: 'a:2' });
  expect((await cluster.call('DescribeTaskDefinition', { taskDefinition: 'a' })).taskDefinition.revision).toBe(1);
  await expect(cluster.run('a:2')).rejects.toEqual(refused('ClientException', 'inactive'));
  expect((await cluster.definition('a')).endsWith('a:3')).toBe(true);
  expect((await cluster.call('ListTaskDefinitions', { familyPrefix: 'a' })).taskDefinitionArns).toHaveLength(2);
});

test('a stopped sandbox leaves no process, and the task is recorded as stopped', async () => {
  const task = await cluster.run(await cluster.definition('a'));
  const pid = await eventually(async () =>
    Number((await ask(portOf(await cluster.task(task.taskArn)), '/pid').catch(() => undefined))?.body),
  );
  cluster.sandbox = await cluster.sandbox.restart();
  expect(alive(pid)).toBe(false);
  expect(await cluster.task(task.taskArn)).toMatchObject({
    lastStatus: 'STOPPED',
    stoppedReason: 'The sandbox was stopped while the task ran.',
  });
});
