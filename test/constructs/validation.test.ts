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
    const bundles = files.filter((file) => file.startsWith('asset.'));
    expect(bundles).toHaveLength(6);
    for (const bundle of bundles) {
      expect(readdirSync(join(out, bundle))).toEqual(['index.js']);
      expect(readFileSync(join(out, bundle, 'index.js'), 'utf8')).toContain('handler');
    }
    const { pluginReports } = JSON.parse(readFileSync(join(out, 'validation-report.json'), 'utf8'));
    expect(pluginReports.flatMap(({ violations }: { violations: unknown[] }) => violations)).toEqual([]);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
