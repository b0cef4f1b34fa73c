/**
 * Makes sure that no task outlives the sandbox, also when the sandbox is killed: one small shell holds a pipe from it
 * and the list of process groups; when the pipe closes, it kills what is on the list.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const script = `
trap '' INT TERM HUP
while read -r op pid; do
  if [ "$op" = + ]; then set -- "$@" "$pid"; continue; fi
  rest=
  for each; do [ "$each" = "$pid" ] || rest="$rest $each"; done
  set -- $rest
done
for each; do kill -s KILL -- "-$each"; done`;

export class Guard {
  private shell: ChildProcess | undefined;

  /** From here on the process group dies with the sandbox. */
  watch(group: number): void {
    this.shell ??= this.open();
    this.shell.stdin?.write(`+ ${group}\n`);
  }

  forget(group: number): void {
    this.shell?.stdin?.write(`- ${group}\n`);
  }

  /** Kills what is still watched. */
  async close(): Promise<void> {
    const shell = this.shell;
    this.shell = undefined;
    if (!shell) return;
    const closed = new Promise((resolve) => shell.once('close', resolve));
    shell.stdin?.end();
    await closed;
  }

  private open(): ChildProcess {
    // detached: Ctrl-C in the sandbox's terminal must not end it before the tasks are ended.
    const shell = spawn('/bin/sh', ['-c', script, 'switchback-tasks-guard'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {},
    });
    shell.stdin?.on('error', () => undefined);
    return shell;
  }
}
