/** How many AWS calls the switch itself takes: the steps that move rules, on load balancers with few and with many applications. */
import { makeAws } from '../../../../lib/aws';
import type { Context } from '../../../../lib/engine/context';
import { maintenanceOff, maintenanceOn } from '../../../../lib/steps/maintenance';
import { trafficSentTo } from '../../../../lib/steps/traffic';
import { type RunningSandbox, startSandbox, type WireCall } from '../../../sandbox/lib/server';
import { rulesWorld } from './rules-world';

export interface SwitchCalls {
  readonly applications: number;
  /** In their order: the maintenance answer in front, the other color in front, the maintenance answer parked. */
  readonly steps: readonly { readonly step: string; readonly calls: readonly string[] }[];
}

/** One object for each number of applications, each on a sandbox of its own below `folder`. */
export async function countSwitchCalls(folder: (applications: number) => string, numbers: readonly number[]): Promise<SwitchCalls[]> {
  const counted: SwitchCalls[] = [];
  for (const applications of numbers) {
    let calls: WireCall[] = [];
    const sandbox = await startSandbox({ folder: folder(applications), speed: 600, onCall: (call) => calls.push(call) });
    try {
      counted.push({
        applications,
        steps: await moved(sandbox, applications, () => {
          const taken = calls.map(({ operation }) => operation);
          calls = [];
          return taken;
        }),
      });
    } finally {
      await sandbox.stop();
    }
  }
  return counted;
}

async function moved(sandbox: RunningSandbox, applications: number, take: () => string[]): Promise<SwitchCalls['steps']> {
  const world = await rulesWorld(sandbox, 'switch', applications);
  await world.greenInFront();
  Object.assign(process.env, sandbox.env);
  // what these steps know of a night is its rules.
  const context = { aws: makeAws(), manifest: world.manifest } as unknown as Context;
  const steps: { step: string; calls: string[] }[] = [];
  for (const step of [maintenanceOn(), trafficSentTo('blue'), maintenanceOff()]) {
    take();
    // as the runner takes a step: look, act, look again.
    if ((await step.observe(context)).is !== 'todo') throw new Error(`${step.id} has nothing to do`);
    await step.act?.(context);
    if ((await step.observe(context)).is !== 'done') throw new Error(`${step.id} is not done`);
    steps.push({ step: step.id, calls: take() });
  }
  if (!(await world.isBack())) throw new Error('the rules do not stand where blue is live');
  return steps;
}
