/** Everything in the databases that would stop the night, found while nothing is down. */
import { preflight } from '../postgres/preflight';
import { done, type Step } from '../runbook/step';

export function preflightPassed(production: string, fallback: string, fork: 'ahead' | 'window'): Step {
  return {
    id: 'preflight',
    title: 'Preflight of both databases: settings, rights, owners, what a copy would not carry',
    estimateSeconds: 5,
    patienceSeconds: 60,
    async observe(context) {
      const { roles } = context.manifest.shared.database;
      const instance = await context.aws.databases.describe(production);
      if (instance?.managedPassword) {
        return {
          is: 'failed',
          code: 'preflight.managed-password',
          message: `${production} has an RDS-managed master password, which forbids read replicas on PostgreSQL: use a secret of your own`,
        };
      }
      const findings = await preflight(await context.database(production), await context.database(fallback), { roles, fork });
      const refused = findings.filter(({ severity }) => severity === 'refuse');
      if (refused.length > 0) {
        return {
          is: 'failed',
          code: 'preflight.refused',
          message: refused.map(({ code, what, wayOut }) => `${code}: ${what}; ${wayOut}`).join(' | '),
        };
      }
      for (const { code, what, wayOut } of findings) await context.progress(`${code}: ${what}; ${wayOut}`);
      return done(findings.length === 0 ? 'nothing found' : `${findings.length} remarks, none that stops the window`);
    },
  };
}
