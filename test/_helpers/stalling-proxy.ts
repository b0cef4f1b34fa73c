/** A wire between two programs that can go silent (nothing is dropped, nothing arrives) or be cut. */

import type { AddressInfo } from 'node:net';
import { createServer, Socket } from 'node:net';

export interface StallingProxy {
  readonly host: string;
  readonly port: number;
  /** From now on nothing gets through, not even an end; who connects is let in and hears nothing. */
  stall(): void;
  /** What was held back arrives, in order. */
  heal(): void;
  /** Every connection is reset; new ones are let in. */
  cut(): void;
  stop(): Promise<void>;
}

export async function stallingProxy(target: () => { host: string; port: number }): Promise<StallingProxy> {
  let stalled = false;
  const sockets = new Set<Socket>();
  /** What happened to one end and was not told the other. */
  let untold: (() => void)[] = [];
  const once = (tell: () => void): void => {
    if (stalled) untold.push(tell);
    else tell();
  };
  const pass = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (piece) => once(() => to.write(piece)));
    from.once('end', () => once(() => to.end()));
    from.on('error', () => undefined);
    from.once('close', () => {
      sockets.delete(from);
      once(() => to.destroy());
    });
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = new Socket({ allowHalfOpen: true });
    pass(client, upstream);
    pass(upstream, client);
    // asked for at the moment it gets through: the server may have been restarted elsewhere.
    once(() => upstream.connect(target()));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    stall: () => {
      stalled = true;
    },
    heal: () => {
      stalled = false;
      const tell = untold;
      untold = [];
      for (const each of tell) each();
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async stop() {
      stalled = false;
      untold = [];
      const closed = new Promise((done) => server.close(done));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
