/** What a rolling deployment does next: pure arithmetic over the tasks of a service. */

export interface RolloutTask {
  readonly id: string;
  /** Belongs to the newest deployment. */
  readonly primary: boolean;
  /** Wanted to run; false for one that is stopping. */
  readonly wanted: boolean;
  /** Runs, and its health checks (container, load balancer) say so. */
  readonly healthy: boolean;
}

export interface RolloutLimits {
  readonly desired: number;
  readonly minimumHealthyPercent: number;
  readonly maximumPercent: number;
}

export interface RolloutMove {
  /** How many tasks of the newest deployment to start. */
  readonly start: number;
  readonly stop: readonly string[];
}

/**
 * During a deployment old tasks count against the maximum until they are STOPPED, so that 0/100 really stops the old
 * task before the new one starts. Without old tasks the count is simply brought to the desired one: a task that is
 * still stopping after a scale to zero does not keep a new one from starting, as on AWS.
 */
export function nextMove(tasks: readonly RolloutTask[], limits: RolloutLimits): RolloutMove {
  const { desired } = limits;
  const maximum = Math.floor((desired * limits.maximumPercent) / 100);
  const minimum = Math.ceil((desired * limits.minimumHealthyPercent) / 100);
  const primary = tasks.filter((task) => task.primary && task.wanted);
  const oldAlive = tasks.filter((task) => !task.primary);
  const old = oldAlive.filter((task) => task.wanted);

  const missing = Math.max(0, desired - primary.length);
  const room = oldAlive.length === 0 ? missing : Math.max(0, maximum - primary.length - oldAlive.length);
  const start = Math.min(missing, room);

  const primaryHealthy = primary.filter((task) => task.healthy).length;
  const replaced = primaryHealthy + old.length - desired;
  const stopping = oldAlive.length - old.length;
  const forRoom = missing - start - stopping;
  return { start, stop: [...stopOld(old, Math.max(replaced, forRoom, 0), primaryHealthy, minimum), ...stopSurplus(primary, desired)] };
}

/** Those that are not healthy first; healthy ones only down to the minimum. */
function stopOld(old: readonly RolloutTask[], wanted: number, primaryHealthy: number, minimum: number): string[] {
  let healthy = primaryHealthy + old.filter((task) => task.healthy).length;
  const stop: string[] = [];
  for (const task of [...old.filter((one) => !one.healthy), ...old.filter((one) => one.healthy)]) {
    if (stop.length >= wanted || (task.healthy && healthy - 1 < minimum)) break;
    if (task.healthy) healthy--;
    stop.push(task.id);
  }
  return stop;
}

/** Scaling in: those that do not serve yet first, then the newest. */
function stopSurplus(primary: readonly RolloutTask[], desired: number): string[] {
  const order = [...primary].reverse();
  return [...order.filter((task) => !task.healthy), ...order.filter((task) => task.healthy)]
    .slice(0, Math.max(0, primary.length - desired))
    .map((task) => task.id);
}
