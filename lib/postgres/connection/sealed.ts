/**
 * A statement with a secret in it that PostgreSQL takes no parameter for. Its text would stand in the server's log and in
 * pg_stat_statements; a bound parameter would stand in the log beside it. So the session makes random bytes, which it tells only us, and
 * what is sent is the secret under those bytes, used once.
 */
import { type Db, literal } from './connect';
import { ownSchema } from './server';

/** Run as `before`, the secret as a literal, `after`. */
export interface Sealed {
  readonly before: string;
  readonly secret: string;
  readonly after: string;
}

const tag = '$switchback_sealed$';

export async function runSealed(db: Db, { before, secret, after }: Sealed): Promise<void> {
  const bytes = Buffer.from(secret);
  await db.transaction(async (inside) => {
    const [row] = await inside.query<{ pad: string }>(
      `SELECT pg_catalog.set_config('switchback.pad', (SELECT pg_catalog.string_agg(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, 'UTF8')), 'hex'), '')
         FROM pg_catalog.generate_series(1, ${Math.ceil(bytes.length / 32)})), true) AS pad`,
    );
    const pad = Buffer.from(row!.pad, 'hex');
    await inside.query(opening(Buffer.from(bytes.map((byte, at) => byte ^ pad[at]!)).toString('hex'), before, after));
  });
}

/**
 * Whatever PL/pgSQL runs is named whole in the context of its messages; a function in SQL is named by its name. So the statement is run by
 * one, which nobody else ever sees. A failure is caught, and said without its context. Where pg_stat_statements keeps what functions run,
 * that is taken out again.
 */
const opening = (sealed: string, before: string, after: string): string => `DO ${tag}
DECLARE
  sealed bytea := pg_catalog.decode('${sealed}', 'hex');
  pad bytea := pg_catalog.decode(pg_catalog.current_setting('switchback.pad'), 'hex');
  runner text := '${ownSchema}.sealed_' || pg_catalog.pg_backend_pid();
  plain text; secret text; views text; state text; said text; more text; advice text;
BEGIN
  PERFORM pg_catalog.set_config('switchback.pad', '', true);
  FOR i IN 0 .. pg_catalog.length(sealed) - 1 LOOP
    sealed := pg_catalog.set_byte(sealed, i, pg_catalog.get_byte(sealed, i) # pg_catalog.get_byte(pad, i));
  END LOOP;
  plain := pg_catalog.convert_from(sealed, 'UTF8');
  secret := pg_catalog.quote_literal(plain);
  BEGIN
    EXECUTE 'CREATE FUNCTION ' || runner || '() RETURNS void LANGUAGE sql AS ' || pg_catalog.quote_literal(${literal(before)} || secret || ${literal(after)});
    EXECUTE 'SELECT ' || runner || '()';
    EXECUTE 'DROP FUNCTION ' || runner || '()';
  EXCEPTION WHEN query_canceled OR OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
  END;
  IF pg_catalog.current_setting('pg_stat_statements.track', true) = 'all' THEN
    BEGIN
      SELECT pg_catalog.quote_ident(n.nspname) INTO views FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements';
      EXECUTE 'SELECT ' || views || '.pg_stat_statements_reset(userid, dbid, queryid) FROM ' || views || '.pg_stat_statements WHERE pg_catalog.strpos(query, $1) > 0 OR pg_catalog.strpos(query, $2) > 0' USING secret, 'CREATE FUNCTION ' || runner;
    EXCEPTION WHEN OTHERS THEN
      NULL; -- the preflight says where that is not allowed (statement-texts).
    END;
  END IF;
  IF state IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = pg_catalog.replace(said, plain, '…'), DETAIL = pg_catalog.replace(more, plain, '…'), HINT = advice;
  END IF;
END ${tag}`;
