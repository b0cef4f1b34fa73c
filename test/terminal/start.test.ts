import { spawn } from 'node:child_process';
import { once } from 'node:events';

test('a reader of its output that has gone ends no command', async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/verb.ts', 'status', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  expect([code, said]).toEqual([0, '']);
});
