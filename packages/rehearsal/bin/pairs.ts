/** `npm run test:pairs`: migrations between published releases of applications that are not ours, each through a window by `npm run try`. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { Command } from 'commander';
import { startPair } from '../../sandbox/lib/postgres/pair';
import { runPair, type Told } from '../lib/pairs/pair';
import { releases } from '../lib/pairs/releases';

const program = new Command('pairs')
  .description('migrations between published releases of applications, each through a window; fetched once into ~/.cache/switchback/pairs')
  .argument('[ids...]', 'only these')
  .option('--seed <n>', 'what rows are made up from', Number, 7)
  .option('--rows <n>', 'rows of each table', Number, 12)
  .option('--json', 'one line for each pair on standard output')
  .parse();

const { seed, rows, json } = program.opts<{ seed: number; rows: number; json?: boolean }>();
const unknown = program.args.filter((id) => !releases.some((one) => one.id === id));
if (unknown.length > 0) program.error(`there is no pair ${unknown.join(', ')}; there are ${releases.map(({ id }) => id).join(', ')}`);

async function main(): Promise<void> {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  const told: Told[] = [];
  const scratch = await startPair();
  try {
    for (const one of releases.filter(({ id }) => program.args.length === 0 || program.args.includes(id))) {
      const result = await runPair(one, scratch, { seed, rows, say });
      told.push(result);
      if (json) process.stdout.write(`${JSON.stringify({ event: 'pair.finished', ...result })}\n`);
      else say(`${result.id}: ${[result.result, ...result.why].join('\n  ')}`);
    }
  } finally {
    await scratch.end();
  }

  if (!json) {
    const lines = [
      ['application', 'from', 'to', 'tables', 'rows', 'migrations', 'result', ''],
      ...told.map((one) => [
        one.application,
        one.from,
        one.to,
        `${one.tables}`,
        `${one.rows}`,
        `${one.migrations}`,
        one.result,
        one.why[0] ?? '',
      ]),
    ];
    const widths = lines[0]!.map((_, at) => Math.max(...lines.map((line) => (at === 7 ? 0 : line[at]!.length))));
    for (const line of lines)
      process.stdout.write(
        `${line
          .map((text, at) => (at === 7 ? text.slice(0, 160) : text.padEnd(widths[at]!)))
          .join('  ')
          .trimEnd()}\n`,
      );
  }
  const is = (...results: Told['result'][]): boolean => told.some(({ result }) => results.includes(result));
  // what is right, was declared or was refused in time is as it must be; a package that cannot be had is said.
  process.exitCode = is('wrong', 'stopped') ? 1 : is('not run') ? 3 : 0;
}

void main();
