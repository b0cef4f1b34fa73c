/** Free ports, outside the range the kernel gives to outgoing connections, so that none is taken between choosing and listening. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const first = 20_000;
const count = 12_000;
const given = new Set<number>();

/** A port nobody listens on now, and that this process has not given away before. */
export async function freePort(): Promise<number> {
  if (given.size > count / 2) given.clear();
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = first + randomInt(count);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port between ${first} and ${first + count - 1}; stop what listens there`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
