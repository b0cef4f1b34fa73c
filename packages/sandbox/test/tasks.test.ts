import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Guard } from '../lib/tasks/guard';
import { imageFolder, resolveCommand } from '../lib/tasks/image';
import { TaskProcess } from '../lib/tasks/process';
import { alive } from './ecs-support';
import { eventually } from './tiny';

const images = join(__dirname, '../../../examples/video/images');
const start = (guard: Guard, source: string, output?: (line: string) => void) =>
  new TaskProcess({ command: [process.execPath, '-e', source], folder: __dirname, environment: { ONLY: 'this' }, guard, output });

test('a process has its own environment, its lines arrive whole, and its exit code is told', async () => {
  const guard = new Guard();
  const lines: string[] = [];
  const task = start(guard, "console.log(process.env.ONLY, process.env.HOME); console.error('half'); process.exit(4)", (line) =>
    lines.push(line),
  );
  expect(await task.ended).toBe(4);
  expect(lines.sort()).toEqual(['half', 'this undefined']);
  await guard.close();
});

test('closing the guard ends what it still watches, and what those have started', async () => {
  const guard = new Guard();
  const lines: string[] = [];
  const source =
    "const c = require('child_process').spawn('/bin/sleep', ['600']); console.log(process.pid, c.pid); setInterval(() => {}, 1000);";
  const [first, second] = [start(guard, source, (line) => lines.push(line)), start(guard, source, (line) => lines.push(line))];
  await eventually(() => lines.length === 2);
  first.stop(1000);
  expect(await first.ended).toBe(143);
  await guard.close();
  expect(await second.ended).toBe(137);
  for (const pid of lines.flatMap((line) => line.split(' '))) await eventually(() => !alive(Number(pid)));
});

test('no task outlives a sandbox that is killed', async () => {
  const lib = join(__dirname, '../lib/tasks');
  const script = `
    const { Guard } = require(${JSON.stringify(join(lib, 'guard.ts'))});
    const { TaskProcess } = require(${JSON.stringify(join(lib, 'process.ts'))});
    const guard = new Guard();
    const stubborn = "for (const s of ['SIGTERM','SIGINT','SIGHUP']) process.on(s, () => {}); console.log(process.pid); setInterval(() => {}, 1000)";
    for (let i = 0; i < 3; i++) new TaskProcess({ command: [process.execPath, '-e', stubborn], folder: '/', environment: {}, guard, output: console.log });
  `;
  const sandbox = spawn(process.execPath, ['-r', 'tsx/cjs', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  sandbox.stdout.on('data', (piece) => {
    text += piece;
  });
  await eventually(() => text.trim().split('\n').length === 3, 20);
  sandbox.kill('SIGKILL');
  await once(sandbox, 'exit');
  for (const pid of text.trim().split('\n')) await eventually(() => !alive(Number(pid)));
});

test('an image is a folder: repository, name and tag', () => {
  const folder = join(images, 'video/1.0.0');
  for (const image of [
    'video:1.0.0',
    'repository/video:1.0.0',
    '111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/video:1.0.0',
    'localhost:5000/video:1.0.0',
  ]) {
    expect(imageFolder(images, image)).toBe(folder);
  }
  expect(() => imageFolder(images, 'video')).toThrow('video/latest');
  expect(() => imageFolder(images, 'video:..')).toThrow('CannotPullContainerError');
  expect(() => imageFolder(undefined, 'video:1.0.0')).toThrow('without a folder of images');
});

test('node is the node that runs the sandbox; other commands are looked up in PATH or in the image', () => {
  expect(resolveCommand(['node', 'a.js'], '/tmp', '')).toEqual([process.execPath, 'a.js']);
  expect(resolveCommand(['sh', '-c', 'true'], '/tmp', '/none:/bin')).toEqual(['/bin/sh', '-c', 'true']);
  expect(() => resolveCommand(['./missing'], '/tmp', '/bin')).toThrow('executable file not found');
});
