import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleCommand } from '../../../../scripts/bundle';
import { measureTrafficOnly } from '../../lib/bench/traffic-only';

const folder = mkdtempSync(join(tmpdir(), 'switchback-bundle-'));
const command = join(folder, 'switchback.js');
beforeAll(() => bundleCommand(command));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the shipped command makes three calls, and a missing AWS CLI is said, not guessed', async () => {
  const result = await measureTrafficOnly({ command, aws: '/nowhere/aws', runs: 1, applications: 30 });
  expect(result).toMatchObject({
    applications: 30,
    runs: 1,
    switchback: { calls: ['GetParameter', 'DescribeRules', 'SetRulePriorities'], samplesMs: [expect.any(Number)] },
    goal: { calls: true },
  });
  expect(result).toMatchObject({ script: undefined, share: undefined });
});

const installed = spawnSync('aws', ['--version']).status === 0;

(installed ? test : test.skip)(
  'the script finds the sandbox with a CLI that does not read AWS_ENDPOINT_URL, as that of Debian 12',
  async () => {
    const aws = join(folder, 'aws');
    writeFileSync(aws, '#!/bin/sh\nunset AWS_ENDPOINT_URL\nexec aws "$@"\n', { mode: 0o755 });
    const { script } = await measureTrafficOnly({ command, aws, runs: 1, applications: 2 });
    expect(script).toMatchObject({ calls: ['GetParameter', 'DescribeRules', 'SetRulePriorities'] });
  },
);
