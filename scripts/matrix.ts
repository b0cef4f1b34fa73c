/**
 * `npm run test:matrix`: the tests of lib/postgres on every major that is supported, with the servers of the same packages that
 * `npm test` uses. They are kept in .switchback/postgres/<major>.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { otherMajors, programsOf } from '../packages/sandbox/lib/postgres/majors';

const root = join(__dirname, '..');

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}

/** `npm run test:matrix -- 15 16` runs those two; what follows `--` after that goes to jest. */
async function main(words: readonly string[]): Promise<number> {
  const split = words.findIndex((word) => !/^\d+$/.test(word));
  const majors = split < 0 ? words : words.slice(0, split);
  const rest = split < 0 ? [] : words.slice(split);
  const failed: string[] = [];
  for (const major of majors.length > 0 ? majors : Object.keys(otherMajors)) {
    const folder = await programsOf(major, join(root, '.switchback', 'postgres'));
    process.stderr.write(`\nPostgreSQL ${major} (${folder})\n`);
    const env = { ...process.env, SWITCHBACK_POSTGRES_MAJOR: major, [`SWITCHBACK_POSTGRES_${major}`]: folder };
    const jest = [join(root, 'node_modules', 'jest', 'bin', 'jest.js'), ...(rest.length > 0 ? rest : ['test/postgres'])];
    if ((await run(process.execPath, jest, env)) !== 0) failed.push(major);
  }
  process.stderr.write(failed.length === 0 ? '\nall majors passed\n' : `\nfailed on PostgreSQL ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
