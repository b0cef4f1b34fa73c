import type { StartServers } from '../operations/try/servers';

/** What is not in this package, and handed in where it is at hand. */
export interface Tools {
  /** Two PostgreSQL servers on this machine. @default - those of cdk-switchback-sandbox */
  readonly servers?: () => Promise<StartServers>;
}
