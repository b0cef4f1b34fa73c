/** Which instance a color's tasks talk to: its secrets' host, and tasks that were started after it was written. */

import { typed } from '../base/advice';
import { Stop } from '../base/errors';
import { type Context, colorPart } from '../engine/context';
import { placeOf } from '../engine/place';
import { done, type Observation, pending, type Step, todo } from '../engine/step';
import type { StepId } from '../engine/step-id';
import type { Application, Color, DatabaseSecret } from '../manifest/schema';
import type { Address } from '../postgres/connection/connect';
import { together } from './together';

/** The applications of a color use `instance`; `which` tells open applications from the rest. */
export function readsFrom(
  color: Color,
  which: 'open' | 'all',
  instance: string,
  step: { readonly id: StepId; readonly title: string; readonly wait: boolean; readonly holdsUntil?: StepId | 'end' },
): Step {
  return {
    id: step.id,
    title: step.title,
    estimateSeconds: step.wait ? 90 : 5,
    patienceSeconds: 600,
    ...(step.holdsUntil ? { holdsUntil: step.holdsUntil } : {}),
    again: true,
    async observe(context) {
      const part = colorPart(context.manifest, color);
      // at once: the site may be down while this is looked at.
      const [address, ...found] = await Promise.all([
        addressOf(context, instance),
        ...groups(context, color, which).map(async ({ secret, applications }) => {
          const [value, tasks] = await Promise.all([context.aws.settings.secret(secret), tasksOf(context, secret, applications)]);
          return { value, ...tasks };
        }),
      ]);
      const behind: string[] = [];
      const moving: string[] = [];
      for (const { value, changedAt, states } of found) {
        if (value.host !== address.host || value.port !== address.port)
          return todo(`${color}'s tasks use ${value.host ?? 'no host'}:${value.port ?? ''}`);
        for (const state of states) {
          if (state.deployment.createdAt < changedAt) behind.push(state.name);
          else if (state.deployment.state === 'FAILED') return failedDeployment(state.name, color);
          else if (!state.deployment.settled) moving.push(state.name);
        }
      }
      if (behind.length > 0) return todo(`still on the old connection: ${behind.join(', ')}`);
      if (moving.length > 0 && step.wait) return pending(`new tasks are coming up: ${moving.join(', ')}`);
      return done(`${part.applications.length} applications use ${instance}`);
    },
    async act(context) {
      const address = await addressOf(context, instance);
      const { cluster, database } = context.manifest.shared;
      await together(
        groups(context, color, which).map(async ({ secret, applications }) => {
          const value = await context.aws.settings.secret(secret);
          if (value.host !== address.host || value.port !== address.port)
            await context.aws.settings.writeSecret(secret, withHost(value, address, database.certificates));
          const { changedAt, states } = await tasksOf(context, secret, applications);
          const behind = states.filter((state) => state.deployment.createdAt < changedAt);
          await together(behind.map((state) => context.aws.tasks.redeploy(cluster, state.name)));
        }),
      );
    },
  };
}

/** When a secret was last written, and the services whose tasks read it at their start. */
async function tasksOf(context: Context, secret: string, applications: readonly Application[]) {
  const names = applications.map(({ service }) => service);
  if (names.length === 0) return { changedAt: new Date(0), states: [] };
  const [changedAt, states] = await Promise.all([
    context.aws.settings.secretChangedAt(secret),
    context.aws.tasks.services(context.manifest.shared.cluster, names),
  ]);
  return { changedAt, states };
}

/** The secret's value for another host; the url is rebuilt from its parts. */
export function withHost(value: DatabaseSecret, address: Address, certificates: string | undefined): DatabaseSecret {
  const user = encodeURIComponent(value.username);
  const password = encodeURIComponent(value.password);
  const tls = certificates === undefined ? '?sslmode=require' : `?sslmode=verify-full&sslrootcert=${encodeURI(certificates)}`;
  return {
    ...value,
    host: address.host,
    port: address.port,
    dbname: address.database,
    url: `postgres://${user}:${password}@${address.host}:${address.port}/${address.database}${local(address.host) ? '' : tls}`,
  };
}

// RDS forces TLS from PostgreSQL 15 on; servers on this machine have none.
const local = (host: string): boolean => host === 'localhost' || host.startsWith('127.') || host === '::1';

/** Of an instance, or of another database of one (`databaseOn`). */
export async function addressOf(context: Context, place: string): Promise<Address> {
  const { instance, database } = placeOf(place, context.manifest.shared.database.name);
  const found = await context.aws.databases.describe(instance);
  if (!found?.address) {
    throw new Stop(
      'database.no-address',
      `the instance ${instance} ${found ? `is ${found.status} and has no address yet` : 'does not exist'}`,
      {
        next: [typed(`aws rds describe-db-instances --db-instance-identifier ${instance}`)],
      },
    );
  }
  return { ...found.address, database };
}

function groups(context: Context, color: Color, which: 'open' | 'all'): { secret: string; applications: readonly Application[] }[] {
  const part = colorPart(context.manifest, color);
  const open = { secret: part.database.openSecret, applications: part.applications.filter((application) => application.open) };
  const rest = { secret: part.database.secret, applications: part.applications.filter((application) => !application.open) };
  return which === 'open' ? [open] : [open, rest];
}

const failedDeployment = (service: string, color: Color): Observation => ({
  is: 'failed',
  code: 'tasks.deployment.failed',
  message: `the new tasks of ${service} (${color}) do not come up: its deployment has failed`,
});
