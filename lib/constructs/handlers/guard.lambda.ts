/**
 * Asked before a stack changes or is deleted. It refuses with the reason, so that a deploy never changes the live
 * color nor anything an open window counts on.
 */
import { makeClients } from '../../aws/clients';
import { ListenerRules } from '../../aws/rules';
import { Settings } from '../../aws/settings';
import { Stacks } from '../../aws/stacks';
import type { SystemState } from '../../manifest/schema';
import { guardSchema } from '../properties';
import { arrangement } from './arrangement';
import { customResource, type Request } from './respond';

type Guard = Request<ReturnType<typeof guardSchema.parse>>;

const clients = makeClients();
const settings = new Settings(clients);
const stacks = new Stacks(clients);

export const handler = customResource(guardSchema, async (request) => {
  const { System: system, Part: part, Asks: asks } = request.properties;
  const answer = { physicalId: `${system}-${part}-${asks}` };
  const refusal = asks === 'change' ? await refuseChange(request) : await refuseDeletion(request);
  if (refusal !== undefined)
    throw new Error(`Switchback refuses ${asks === 'change' ? 'this change' : 'to delete this stack'}: ${refusal}`);
  return answer;
});

async function refuseChange({ type, properties, old, stackId }: Guard): Promise<string | undefined> {
  const { System: system, Part: part, Protects: protects, Subject: subject } = properties;
  // what is new is used by nobody yet, and a deletion is the other resource's question.
  if (type === 'Delete' || (type === 'Create' && protects !== 'color')) return undefined;
  // nothing but the guard itself changes.
  if (type === 'Update' && old?.Fingerprint === properties.Fingerprint) return undefined;
  // going back to what ran before is always right, and refusing it would leave the stack stuck.
  if ((await stacks.status(stackId))?.status.endsWith('ROLLBACK_IN_PROGRESS')) return undefined;
  if (protects === 'fallback') {
    return `${part} is made once and never updated, because an update could replace or promote the fallback database. Deploy the other stacks by name: npx cdk deploy green`;
  }
  const state = await settings.state(system);
  if (protects === 'color' && (await liveColor(properties, state)) === part) {
    return `${part} is live and stays as it is; what was to be deployed is ${subject}. Deploy it to ${part === 'blue' ? 'green' : 'blue'} and take it live with npm run cutover`;
  }
  if (type === 'Update' && state?.window !== undefined) {
    return inUse(state.window, part, state.opened);
  }
  return undefined;
}

async function refuseDeletion({ type, properties }: Guard): Promise<string | undefined> {
  if (type !== 'Delete' || properties.Deletable) return undefined;
  const { System: system, Part: part, Protects: protects, Instance: instance } = properties;
  const state = await settings.state(system);
  const how = 'To delete a whole system, deploy it with removalPolicy: RemovalPolicy.DESTROY first';
  if (protects === 'color' && (await liveColor(properties, state)) === part) return `${part} is live and serves customers. ${how}`;
  if (protects === 'fallback' && state?.production === instance) return `${instance} is the production database now. ${how}`;
  if (protects === 'shared' && state?.opened) return `${system} is open to customers. ${how}`;
  // teardown and undo release the stacks before they delete any.
  if (state?.opened && state.window !== undefined && (protects === 'color' || part === `fallback-${state.window}`))
    return inUse(state.window, part, state.opened);
  return undefined;
}

const inUse = (window: string, part: string, opened: boolean): string => {
  const how = opened ? 'npm run teardown, or npm run stage -- --undo before the night' : 'npm run rollback takes a first opening back';
  return `window ${window} is open and uses ${part}. See npm run status; try again when the window is closed (${how})`;
};

/** The color whose rules are in front, once the system has ever been open to customers. */
async function liveColor({ Listener: listener = '', FirstPriority: first = 0 }: Guard['properties'], state: SystemState | undefined) {
  const { live, maintenance } = arrangement(
    (await new ListenerRules(clients, listener).all()).map(({ priority }) => priority),
    first,
  );
  return state?.opened || maintenance === false ? live : undefined;
}
