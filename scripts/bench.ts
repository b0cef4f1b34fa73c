/** `npm run bench -- traffic-only`: numbers that the README quotes, measured anew on this machine. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { measureTrafficOnly } from '../lib/bench/traffic-only';
import { exit } from '../lib/runbook/errors';
import { bundleCommand } from './bundle';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('it must be a whole number above 0.');
  return value;
};

const program = new Command('bench');
program
  .command('traffic-only')
  .description('rollback --traffic-only against a shell script doing the same over the AWS CLI, on a sandbox of its own')
  .option('--runs <n>', 'of each, after one that is not counted', whole, 11)
  .option('--applications <n>', 'behind the load balancer', whole, 8)
  .option('--aws <path>', 'the AWS CLI (default: /usr/bin/aws of the Debian package awscli, else the one on the PATH)')
  .option('--json', 'one object on standard output')
  .action(async (flags: { runs: number; applications: number; aws?: string; json?: boolean }) => {
    const say = (text: string) => void process.stderr.write(`${text}\n`);
    const folder = mkdtempSync(join(tmpdir(), 'switchback-bundle-'));
    try {
      const command = join(folder, 'switchback.js');
      bundleCommand(command);
      const { runs, applications, aws } = flags;
      const result = await measureTrafficOnly({ command, aws, runs, applications, onRun: say });
      const { switchback, script, share, goal } = result;
      say('');
      say(`switchback  ${switchback.medianMs} ms (median of ${runs}; p90 ${switchback.p90Ms} ms): ${switchback.calls.join(', ')}`);
      if (script)
        say(`script      ${script.medianMs} ms (p90 ${script.p90Ms} ms): ${script.calls.join(', ')}; ${script.version}, ${script.cli}`);
      else say('script      not measured: there is no AWS CLI here (apt-get install awscli)');
      say(
        `goal: at most 4 calls: ${goal.calls ? 'met' : 'missed'}; under half of the script's time: ${goal.time === undefined ? 'not measured' : `${goal.time ? 'met' : 'missed'} (${Math.round((share ?? 0) * 100)} %)`}`,
      );
      if (flags.json) process.stdout.write(`${JSON.stringify({ event: 'bench.traffic-only', ...result })}\n`);
      process.exitCode = goal.calls && goal.time !== false ? exit.done : exit.failed;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

void program.parseAsync();
