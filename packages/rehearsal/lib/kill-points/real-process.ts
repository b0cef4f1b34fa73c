/** A run in a process of its own that ends itself with SIGKILL at a point: what simulated-process.ts stands for, for real. */
import { instances } from './call-gate';
import { type Asked, Command, MovableClock, nameOf } from './kill-run';

/** What the process is told, as JSON in its first argument. */
export interface Told {
  readonly asked: Asked;
  readonly system: string;
  /** How far the kill run's clock is ahead, in milliseconds. */
  readonly ahead: number;
  readonly attempt: number;
  /** The point at which it ends; `nameOf`. */
  readonly at: string;
  /** Instances by their ports. */
  readonly ports: readonly (readonly [number, string])[];
}

if (require.main === module) {
  const { asked, system, ahead, attempt, at, ports } = JSON.parse(process.argv[2] ?? '{}') as Told;
  for (const [port, name] of ports) instances.set(port, name);
  const clock = new MovableClock();
  clock.move(ahead);
  const command = new Command(asked, system, attempt, (point) => {
    if (nameOf(point) === at) process.kill(process.pid, 'SIGKILL');
    return 'on';
  });
  command.run(clock).then(
    (reply) => {
      process.stdout.write(JSON.stringify(reply));
    },
    (error: unknown) => {
      process.stderr.write(String(error));
      process.exitCode = 1;
    },
  );
}
