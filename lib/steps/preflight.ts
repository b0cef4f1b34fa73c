/** Everything in the databases and around them that would stop the night, found while nothing is down. */
import type { Instance } from '../aws/databases';
import type { Context } from '../engine/context';
import { done, type Step } from '../engine/step';
import type { Finding } from '../postgres/preflight/finding';
import { preflight } from '../postgres/preflight/preflight';
import { refuseForeign } from './foreign-release';

export function preflightPassed(production: string, fallback: string, fork: 'ahead' | 'window'): Step {
  return {
    id: 'preflight',
    title: 'Check both databases: settings, permissions, owners, what a copy would lack',
    estimateSeconds: 5,
    patienceSeconds: 60,
    async observe(context) {
      const { shared } = context.manifest;
      const { roles, acknowledged } = shared.database;
      const instance = await context.aws.databases.describe(production);
      if (instance?.managedPassword) {
        return {
          is: 'failed',
          code: 'preflight.managed-password',
          message: `${production} has an RDS-managed master password, which forbids read replicas on PostgreSQL: use a secret of your own`,
        };
      }
      await refuseForeign(context.aws, context.manifest);
      const copy = await context.aws.databases.describe(fallback);
      const [from, to] = [await context.database(production), await context.database(fallback)];
      const findings = [
        ...(await preflight(from, to, {
          ...{ roles, fork, holdSeconds: shared.holdSeconds },
          acknowledged: acknowledged?.findings ?? [],
          acknowledgedFunctions: acknowledged?.functions ?? [],
        })),
        ...(await rotation(context, acknowledged?.findings ?? [])),
        ...(instance && copy ? lessThan(instance, copy) : []),
        ...(instance && fork === 'ahead' ? await limitOver(instance, from) : []),
      ];
      for (const { severity, code, what, sql, wayOut } of findings)
        await context.progress(`${severity} ${code}: ${what}; ${wayOut}${sql === '' ? '' : `. Shown by: ${sql}`}`);
      const refused = findings.filter(({ severity }) => severity === 'refuse');
      if (refused.length > 0) {
        return {
          is: 'failed',
          code: 'preflight.refused',
          message: refused.map(({ code, what, wayOut }) => `${code}: ${what}; ${wayOut}`).join('\n'),
        };
      }
      return done(findings.length === 0 ? 'nothing found' : `${findings.length} remarks, none that stops the window`);
    },
  };
}

/** In what the fallback is not what production is, as RDS has them. */
function lessThan(production: Instance, fallback: Instance): Finding[] {
  const say = (what: string, option: string): Finding => ({
    ...{ code: 'fallback-smaller', severity: 'warn', sql: '', what },
    wayOut: `a rollback makes it production: aws rds modify-db-instance --db-instance-identifier ${fallback.id} ${option}`,
  });
  return [
    ...(production.class !== fallback.class
      ? [say(`${fallback.id} is a ${fallback.class}, ${production.id} a ${production.class}`, `--db-instance-class ${production.class}`)]
      : []),
    ...(production.storageGb > fallback.storageGb
      ? [
          say(
            `${fallback.id} has ${fallback.storageGb} GB, ${production.id} ${production.storageGb} GB`,
            `--allocated-storage ${production.storageGb}`,
          ),
        ]
      : []),
    ...(production.multiAz && !fallback.multiAz
      ? [say(`${fallback.id} is in one Availability Zone, ${production.id} in two`, '--multi-az')]
      : []),
  ];
}

/** A feed that hangs may fill at most a part of the disk. */
async function limitOver({ id, storageGb }: Instance, db: Awaited<ReturnType<Context['database']>>): Promise<Finding[]> {
  const sql = "SELECT setting::float8 AS mb FROM pg_settings WHERE name = 'max_slot_wal_keep_size'";
  const [row] = await db.query<{ mb: number }>(sql);
  const limitGb = (row?.mb ?? 0) / 1024;
  return storageGb > 0 && limitGb > storageGb / 2
    ? [
        {
          ...{ code: 'slot-limit-over-disk', severity: 'warn', sql },
          what: `max_slot_wal_keep_size is ${Math.round(limitGb)} GB, the disk of ${id} ${storageGb} GB: a feed that hangs would fill more than half of it`,
          wayOut: 'set it to what the disk can spare, for example 30 % of the free space',
        },
      ]
    : [];
}

/** A password that is changed on production during the hold is not changed on the fallback: after a rollback nobody could log in. */
async function rotation(context: Context, acknowledged: readonly string[]): Promise<Finding[]> {
  const { shared, blue, green } = context.manifest;
  const { masterSecret, migratorSecret, feedSecret } = shared.database;
  const colors = [blue, green].flatMap((color) => (color ? [color.database.secret, color.database.openSecret] : []));
  const findings: Finding[] = [];
  for (const secret of new Set([masterSecret, migratorSecret, ...(feedSecret ? [feedSecret] : []), ...colors]))
    if (await context.aws.settings.secretRotates(secret))
      findings.push({
        code: 'secret-rotation',
        severity: acknowledged.includes('secret-rotation') ? 'warn' : 'refuse',
        what: `the secret ${secret} is rotated by itself: a password that changes during the hold is not known on the fallback`,
        sql: '',
        wayOut: `aws secretsmanager cancel-rotate-secret --secret-id ${secret}, until the window is closed`,
      });
  return findings;
}
