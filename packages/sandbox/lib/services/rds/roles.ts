/**
 * Who may do what inside a new instance. The master user is no superuser: what it may do comes from rds_superuser, as
 * on RDS; we ourselves are rdsadmin. Where a stock server cannot do what RDS's patched one does, see docs/sandbox/rds.md.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';
import type { PostgresServer } from '../../postgres/server';

/** What is stored of a password, so that the password itself is in no statement and no log. */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const iterations = 4096;
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`;
}

export interface NewRoles {
  readonly master: string;
  /** As `scramVerifier` makes it. */
  readonly masterVerifier: string;
  readonly replicationUser: string;
  readonly replicationVerifier: string;
  /** The database of CreateDBInstance's DBName. */
  readonly database: string | undefined;
}

/** Makes the roles and databases that every instance of RDS has. */
export async function makeRoles(server: PostgresServer, roles: NewRoles): Promise<void> {
  const { major } = server.binaries;
  const master = escapeIdentifier(roles.master);
  const groups = ['pg_monitor', 'pg_signal_backend', 'rds_replication', 'rds_password'];
  if (major >= 15) groups.push('pg_checkpoint');
  if (major >= 16) groups.push('pg_create_subscription');
  await run(server, 'postgres', [
    'CREATE ROLE rds_superuser NOLOGIN',
    'CREATE ROLE rds_replication NOLOGIN',
    'CREATE ROLE rds_password NOLOGIN',
    `GRANT ${groups.join(', ')} TO rds_superuser WITH ADMIN OPTION`,
    // PostgreSQL 15 is the first that can hand this one setting out.
    ...(major >= 15 ? ['GRANT SET ON PARAMETER session_replication_role TO rds_superuser'] : []),
    `CREATE ROLE ${escapeIdentifier(roles.replicationUser)} LOGIN REPLICATION PASSWORD ${escapeLiteral(roles.replicationVerifier)}`,
    // REPLICATION itself stands for what RDS's own check of membership in rds_replication allows.
    `CREATE ROLE ${master} LOGIN CREATEDB CREATEROLE REPLICATION VALID UNTIL 'infinity' PASSWORD ${escapeLiteral(roles.masterVerifier)}`,
    `GRANT rds_superuser TO ${master} WITH ADMIN OPTION`,
    'CREATE DATABASE rdsadmin',
    'REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC',
  ]);
  await run(server, 'rdsadmin', [
    'CREATE TABLE rds_heartbeat2 (id int PRIMARY KEY, value bigint)',
    'INSERT INTO rds_heartbeat2 VALUES (1, 0)',
  ]);
  // rights on functions belong to a database: what template1 has, every new database gets.
  for (const database of ['template1', 'postgres']) await run(server, database, [grantOriginFunctions]);
  await run(server, 'postgres', [
    `ALTER DATABASE postgres OWNER TO ${master}`,
    `ALTER DATABASE template1 OWNER TO ${master}`,
    ...(roles.database && roles.database !== 'postgres' ? [`CREATE DATABASE ${escapeIdentifier(roles.database)} OWNER ${master}`] : []),
  ]);
}

export async function setPassword(server: PostgresServer, user: string, verifier: string): Promise<void> {
  await run(server, 'postgres', [`ALTER ROLE ${escapeIdentifier(user)} PASSWORD ${escapeLiteral(verifier)}`]);
}

const grantOriginFunctions = `DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE proname LIKE 'pg\\_replication\\_origin\\_%' OR proname IN ('pg_show_replication_origin_status', 'pg_replication_slot_advance') LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO rds_superuser', f);
  END LOOP;
  GRANT SELECT ON pg_replication_origin_status TO rds_superuser;
END $$`;

async function run(server: PostgresServer, database: string, statements: readonly string[]): Promise<void> {
  await server.connect(database, async (client) => {
    for (const statement of statements) await client.query(statement);
  });
}
