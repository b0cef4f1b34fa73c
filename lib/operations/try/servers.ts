/** Two servers on this machine, as `try` is handed them: the product has none of its own (cdk-switchback-sandbox has). */
import type { Login } from '../../postgres/connection/connect';

export type Side = 'primary' | 'replica';

/** Statements one after the other; rows as lists of their values. */
export interface Session {
  query(sql: string): Promise<readonly (readonly unknown[])[]>;
}

export interface TryServers {
  /** `17` */
  readonly major: number;
  /** As on RDS: no superuser. */
  readonly master: Login;
  address(side: Side): { readonly host: string; readonly port: number };
  /** Makes a database that belongs to the master user, on the primary; `template`: a copy of that one, with the same OIDs. */
  createDatabase(name: string, template?: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  /** Makes the replica of everything that is there now. */
  replicate(): Promise<void>;
  promote(): Promise<void>;
  readonly promoted: boolean;
  /** Something as the superuser, in one session. */
  asSuperuser<T>(side: Side, database: string, action: (session: Session) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** `feeds`: how many databases are fed at the same time. */
export type StartServers = (options: { readonly feeds: number; readonly major?: number }) => Promise<TryServers>;
