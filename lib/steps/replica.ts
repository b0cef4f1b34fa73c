/** The replica that becomes the fallback database: ready days before, level with the fenced production, promoted. */

import { deploy, say, switchback } from '../base/advice';
import type { Context } from '../engine/context';
import { forkMade } from '../engine/milestones';
import { done, pending, type Step, todo } from '../engine/step';
import { stackName } from '../manifest/stack-names';
import { preparedTransactions, preparedWords } from '../postgres/access/prepared';
import { ConnectionLost } from '../postgres/connection/connect';
import { compareLsn, currentLsn, flushWal, inRecovery, replayedLsn } from '../postgres/connection/lsn';

/** Days before: it replicates, its backups are on (promotion would drag a first backup behind it), and it is nearly level. */
export function replicaReady(fallback: string): Step {
  return {
    id: 'fallback.ready',
    title: `Check that ${fallback} replicates and has its backups on`,
    estimateSeconds: 5,
    patienceSeconds: 1800,
    async observe(context) {
      const { aws, window } = context;
      const instance = await aws.databases.describe(fallback);
      if (!instance) {
        return {
          is: 'failed',
          code: 'fallback.missing',
          message: `there is no instance ${fallback}`,
          next: [deploy(stackName(context.manifest, `fallback-${window.name}`))],
        };
      }
      if (instance.replicaOf === undefined && forkMade(context.view)) return done('it was promoted in this window');
      if (instance.replicaOf === undefined) {
        return {
          is: 'failed',
          code: 'fallback.not-a-replica',
          message: `${fallback} is not a replica of ${window.production}: it was promoted outside this window`,
        };
      }
      if (instance.status !== 'available') return pending(`${fallback} is ${instance.status}`);
      if (instance.backupDays === 0) {
        return {
          is: 'failed',
          code: 'fallback.backups.off',
          message: `${fallback} has backups off; a promotion would take a first backup in the window. Set BackupRetentionPeriod to 1 or more`,
        };
      }
      const behind = await bytesBehind(context, fallback);
      return behind > 64 * 1024 * 1024
        ? pending(`${Math.round(behind / 1e6)} MB behind ${window.production}`)
        : done(`${behind} bytes behind ${window.production}`);
    },
  };
}

/** How long a server that is to become production is waited for: a failover takes one to two minutes. */
const answersWithinSeconds = 300;

/**
 * Before a rollback takes customers off production: what they are to be sent to answers. A rollback whose fallback was down once fenced
 * production first, gave up after three seconds, and left the site closed.
 */
export function fallbackAnswers(fallback: string): Step {
  return {
    id: 'fallback.answers',
    title: `Check that ${fallback} answers, before production is closed`,
    estimateSeconds: 1,
    patienceSeconds: answersWithinSeconds + 60,
    async observe(context) {
      try {
        const prepared = await preparedTransactions(await context.database(fallback));
        if (prepared.length === 0) return done();
        return {
          is: 'failed',
          code: 'fallback.prepared',
          message: `${fallback} would be opened with transactions that somebody can still commit: ${prepared.map(preparedWords).join('; ')}`,
          state: 'Nothing was closed for it: customers are served as before.',
          next: [say`end each of them, then ${switchback('rollback')}`, switchback('status')],
        };
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        if (context.waitedMs() < answersWithinSeconds * 1000) return pending(error.message);
        return {
          is: 'failed',
          code: 'fallback.silent',
          message: `${fallback} has not answered for ${answersWithinSeconds} s (${error.message}); it is what a rollback would open, so nothing was closed for it`,
        };
      }
    },
  };
}

/** Everything that was written before the fence has been replayed. Lag in seconds proves nothing on an idle primary (aws-facts, fact 1). */
export function replicaCaughtUp(production: string, fallback: string): Step {
  let fence: string | undefined;
  return {
    id: 'fallback.level',
    title: `Wait until ${fallback} has replayed everything up to the fence`,
    estimateSeconds: 2,
    patienceSeconds: 600,
    pollMs: 100,
    async observe(context) {
      // behind all that was committed before the fence, and nothing comes after it: so one of any run will do.
      fence ??= (await flushWal(await context.database(production))).lsn;
      const lsn = fence;
      const db = await context.database(fallback);
      if (!(await inRecovery(db))) return done('promoted already');
      const replayed = await replayedLsn(db);
      return replayed !== undefined && compareLsn(replayed, lsn) >= 0
        ? done(`fence ${lsn}, replayed ${replayed}`, { fence: lsn, replayed })
        : pending(`fence ${lsn}, replayed ${replayed ?? 'nothing'}`);
    },
  };
}

export function promoted(fallback: string): Step {
  return {
    id: 'fallback.promote',
    title: `Promote ${fallback}: it becomes a database of its own`,
    estimateSeconds: 240,
    patienceSeconds: 3600,
    async observe(context) {
      const instance = await context.aws.databases.describe(fallback);
      if (!instance) return { is: 'failed', code: 'fallback.missing', message: `the instance ${fallback} does not exist any more` };
      if (instance.status !== 'available') return pending(`${fallback} is ${instance.status}`);
      if (instance.replicaOf !== undefined) return todo(`${fallback} replicates from ${instance.replicaOf}`);
      // available and no replica says RDS; the server itself has the last word.
      return (await inRecovery(await context.database(fallback))) ? pending('PostgreSQL is still in recovery') : done();
    },
    async act(context) {
      const instance = await context.aws.databases.describe(fallback);
      await context.aws.databases.promote(fallback, instance?.backupDays ?? 1);
    },
  };
}

async function bytesBehind(context: Context, fallback: string): Promise<number> {
  const production = await currentLsn(await context.database(context.window.production));
  const replayed = await replayedLsn(await context.database(fallback));
  const bytes = (lsn: string) => lsn.split('/').reduce((sum, part) => sum * 2 ** 32 + Number.parseInt(part, 16), 0);
  return replayed === undefined ? Number.POSITIVE_INFINITY : Math.max(0, bytes(production) - bytes(replayed));
}
