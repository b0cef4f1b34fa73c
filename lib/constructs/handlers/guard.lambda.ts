/**
 * Asked before a stack changes or is deleted. It refuses with the reason, so that a deploy never changes the live
 * color nor anything an open window counts on.
 */
import { makeClients } from '../../aws/clients';
import { ListenerRules } from '../../aws/rules';
import { Settings } from '../../aws/settings';
import { Stacks } from '../../aws/stacks';
import { type Advice, deploy, say, switchback } from '../../base/advice';
import { Stop } from '../../base/errors';
import type { SystemState } from '../../manifest/schema';
import { stackAt } from '../../manifest/stack-names';
import { guardSchema } from '../properties';
import { arrangement } from './arrangement';
import { customResource, type Request } from './respond';

interface Refusal {
  readonly because: string;
  readonly next: readonly Advice[];
}

type Guard = Request<ReturnType<typeof guardSchema.parse>>;

const clients = makeClients();
const settings = new Settings(clients);
const stacks = new Stacks(clients);

export const handler = customResource(guardSchema, async (request) => {
  const { System: system, Part: part, Asks: asks } = request.properties;
  const answer = { physicalId: `${system}-${part}-${asks}` };
  const refusal = asks === 'change' ? await refuseChange(request) : await refuseDeletion(request);
  if (refusal !== undefined)
    throw new Stop(
      'guard.refused',
      `Switchback refuses ${asks === 'change' ? 'this change' : 'to delete this stack'}: ${refusal.because}`,
      {
        next: refusal.next,
      },
    );
  return answer;
});

async function refuseChange({ type, properties, old, stackId }: Guard): Promise<Refusal | undefined> {
  const { System: system, Part: part, Path: path, Protects: protects, Subject: subject } = properties;
  // what is new is used by nobody yet, and a deletion is the other resource's question.
  if (type === 'Delete' || (type === 'Create' && protects !== 'color')) return undefined;
  // nothing but the guard itself changes.
  if (type === 'Update' && old?.Fingerprint === properties.Fingerprint) return undefined;
  // going back to what ran before is always right, and refusing it would leave the stack stuck.
  if ((await stacks.status(stackId))?.status.endsWith('ROLLBACK_IN_PROGRESS')) return undefined;
  if (protects === 'fallback') {
    return {
      because: `${part} is made once and never updated, because an update could replace or promote the fallback database`,
      next: [say`deploy the other stacks by name: ${deploy(stackAt(path, 'green'))}`],
    };
  }
  const state = await settings.state(system);
  if (protects === 'color' && (await liveColor(properties, state)) === part) {
    const standby = part === 'blue' ? 'green' : 'blue';
    return {
      because: `${part} is live and stays as it is; what was to be deployed is ${subject}`,
      next: [say`set that release for ${standby}, ${deploy(stackAt(path, standby))}, and take it live with ${switchback('cutover')}`],
    };
  }
  if (type === 'Update' && state?.window !== undefined) {
    return inUse(state.window, part, state.opened);
  }
  return undefined;
}

async function refuseDeletion({ type, properties }: Guard): Promise<Refusal | undefined> {
  if (type !== 'Delete' || properties.Deletable) return undefined;
  const { System: system, Part: part, Protects: protects, Instance: instance } = properties;
  const state = await settings.state(system);
  const refuse = (because: string): Refusal => ({
    because,
    next: [say`to delete a whole system, deploy it with removalPolicy: RemovalPolicy.DESTROY first`],
  });
  if (protects === 'color' && (await liveColor(properties, state)) === part) return refuse(`${part} is live and serves customers`);
  if (protects === 'fallback' && state?.production === instance) return refuse(`${instance} is the production database now`);
  if (protects === 'shared' && state?.opened) return refuse(`${system} is open to customers`);
  // teardown and undo release the stacks before they delete any.
  if (state?.opened && state.window !== undefined && (protects === 'color' || part === `fallback-${state.window}`))
    return inUse(state.window, part, state.opened);
  return undefined;
}

const inUse = (window: string, part: string, opened: boolean): Refusal => ({
  because: `window ${window} is open and uses ${part}; try again when it is closed`,
  next: [
    switchback('status'),
    ...(opened
      ? [switchback('teardown'), say`before the cutover: ${switchback('stage', '--undo')}`]
      : [say`${switchback('rollback')} takes a first opening back`]),
  ],
});

/** The color whose rules are in front, once the system has ever been open to customers. */
async function liveColor({ Listener: listener = '', FirstPriority: first = 0 }: Guard['properties'], state: SystemState | undefined) {
  const { live, maintenance } = arrangement(
    (await new ListenerRules(clients, listener).all()).map(({ priority }) => priority),
    first,
  );
  return state?.opened || maintenance === false ? live : undefined;
}
