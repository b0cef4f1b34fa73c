/** The HEALTHCHECK of a container: its command, run again and again beside the container. */
import { execFile } from 'node:child_process';
import type { HealthCheck } from '@aws-sdk/client-ecs';
import { resolveCommand } from './image';

export interface HealthOptions {
  readonly check: HealthCheck;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly speed: number;
  changed(status: 'HEALTHY' | 'UNHEALTHY'): void;
}

/** Starts checking; the function it returns ends it. */
export function watchHealth(options: HealthOptions): () => void {
  const { check, speed } = options;
  // each check is a process: never more often than every second, and never less time than a second for one.
  const interval = Math.max(1000, ((check.interval ?? 30) * 1000) / speed);
  const timeout = Math.max(1000, ((check.timeout ?? 5) * 1000) / speed);
  const countFrom = Date.now() + ((check.startPeriod ?? 0) * 1000) / speed;
  const command = commandOf(check.command ?? [], options);
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const round = (): void => {
    const child = execFile(
      command[0]!,
      command.slice(1),
      { cwd: options.folder, env: options.environment, timeout, killSignal: 'SIGKILL' },
      (error) => {
        if (ended) return;
        if (!error) {
          failures = 0;
          options.changed('HEALTHY');
        } else if (Date.now() >= countFrom && ++failures >= (check.retries ?? 3)) options.changed('UNHEALTHY');
        timer = setTimeout(round, interval);
      },
    );
    stop = () => child.kill('SIGKILL');
  };
  let stop: () => void = () => undefined;
  round();
  return () => {
    ended = true;
    clearTimeout(timer);
    stop();
  };
}

function commandOf(command: readonly string[], options: HealthOptions): string[] {
  const [kind, ...rest] = command;
  if (kind === 'CMD-SHELL') return ['/bin/sh', '-c', rest.join(' ')];
  return resolveCommand(kind === 'CMD' ? rest : command, options.folder, options.environment['PATH'] ?? '');
}
