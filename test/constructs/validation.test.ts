import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// the one test with CloudFormation's own validation on, and with real bundles: the example as `npx cdk synth` makes it.
test('the example synthesizes, its functions are bundled, and CloudFormation has nothing against it', () => {
  const out = mkdtempSync(join(tmpdir(), 'switchback-synth-'));
  try {
    const run = (...context: string[]) =>
      execFileSync(process.execPath, ['--import', 'tsx', 'bin/app.ts'], {
        cwd: join(__dirname, '..', '..'),
        env: {
          ...process.env,
          CDK_VALIDATION: 'true',
          CDK_OUTDIR: out,
          CDK_CONTEXT_JSON: JSON.stringify(Object.fromEntries(context.map((it) => it.split('=')))),
        },
        stdio: 'pipe',
      });
    run('green=none', 'window=3');
    const files = readdirSync(out);
    expect(files.filter((file) => file.endsWith('.template.json')).sort()).toEqual([
      'blue.template.json',
      'fallback-w3.template.json',
      'shared.template.json',
    ]);
    // one file for all functions, which has what each of them is told to run.
    const [bundle, ...more] = files.filter((file) => file.startsWith('asset.'));
    expect(more).toEqual([]);
    expect(readdirSync(join(out, bundle!))).toEqual(['index.js', 'rds-global-bundle.pem']);
    const { Resources } = JSON.parse(readFileSync(join(out, 'shared.template.json'), 'utf8')) as {
      Resources: Record<string, { Type: string; Properties: { Handler: string } }>;
    };
    const told = Object.values(Resources).flatMap(({ Type, Properties }) => (Type === 'AWS::Lambda::Function' ? [Properties.Handler] : []));
    const exported = execFileSync(process.execPath, ['-p', `Object.keys(require('${join(out, bundle!)}')).join()`], { encoding: 'utf8' });
    expect(told.sort()).toEqual(
      exported
        .trim()
        .split(',')
        .map((name) => `index.${name}`)
        .sort(),
    );
    expect(told).toHaveLength(7);
    const { pluginReports } = JSON.parse(readFileSync(join(out, 'validation-report.json'), 'utf8'));
    expect(pluginReports.flatMap(({ violations }: { violations: unknown[] }) => violations)).toEqual([]);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
