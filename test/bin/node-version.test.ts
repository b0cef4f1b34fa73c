import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from 'esbuild';

const root = join(__dirname, '../..');
// as scripts/bundle.ts ships it: what this target cannot say is an error.
const { code } = transformSync(readFileSync(join(root, 'bin/switchback.ts'), 'utf8').replace(/^#!.*/, ''), {
  loader: 'ts',
  format: 'cjs',
  target: 'node6',
});

function begun(node: string): { said: string; loaded: string[]; exitCode: number | undefined } {
  const [said, loaded]: [string[], string[]] = [[], []];
  const process = {
    ...{ versions: { node }, version: `v${node}`, execPath: '/usr/bin/node', exitCode: undefined as number | undefined },
    stderr: { write: (text: string) => said.push(text) },
  };
  new Function('process', 'require', 'module', code)(process, (name: string) => loaded.push(name), {});
  return { said: said.join(''), loaded, exitCode: process.exitCode };
}

test.each(['6.17.1', '16.20.2', '18.20.8', '20.12.2', '20.17.0', '21.7.3', '22.7.0'])('Node %s is told in one sentence', (node) => {
  expect(begun(node)).toEqual({
    ...{ said: `switchback needs Node.js 20.18, 22.8, 24 or newer; this is v${node} (/usr/bin/node)\n`, loaded: [], exitCode: 2 },
  });
});

test.each(['20.18.0', '20.20.2', '22.8.0', '22.20.0', '23.1.0', '24.0.0', '26.1.0'])('Node %s runs it', (node) => {
  expect(begun(node)).toEqual({ said: '', loaded: ['./command'], exitCode: undefined });
});

test('package.json says the same', () => {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
  expect(engines.node).toBe('^20.18 || ^22.8 || >=24');
});
