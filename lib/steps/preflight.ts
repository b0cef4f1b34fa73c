/** Everything in the databases that would stop the night, found while nothing is down. */
import type { Instance } from '../aws/databases';
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
      const copy = await context.aws.databases.describe(fallback);
      const smaller = instance && copy ? lessThan(instance, copy) : [];
      for (const difference of smaller)
        await context.progress(`fallback-smaller: ${difference}; a rollback makes it production: give it the same`);
      const remarks = findings.length + smaller.length;
      return done(remarks === 0 ? 'nothing found' : `${remarks} remarks, none that stops the window`);
    },
  };
}

/** In what the fallback is not what production is, as RDS has them. */
function lessThan(production: Instance, fallback: Instance): string[] {
  return [
    production.class !== fallback.class ? `${fallback.id} is a ${fallback.class}, ${production.id} a ${production.class}` : '',
    production.storageGb > fallback.storageGb
      ? `${fallback.id} has ${fallback.storageGb} GB, ${production.id} ${production.storageGb} GB`
      : '',
    production.multiAz && !fallback.multiAz ? `${fallback.id} is in one Availability Zone, ${production.id} in two` : '',
  ].filter((difference) => difference !== '');
}
