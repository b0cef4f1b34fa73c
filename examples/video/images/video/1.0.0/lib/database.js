// A small pool that survives restarts, failovers and terminated sessions, and says of every failed write whether it was applied.

const { setTimeout: pause } = require('node:timers/promises');
const { HttpError, isConnectionError } = require('./errors');
const { release } = require('./release');

/**
 * Opens the database of DATABASE_URL. A failed read is repeated until `patienceMs` have passed, if there is nobody to answer:
 * for what must go on while the database restarts.
 *
 * `read(work)` and `write(work)` call `work(query)` with `query(sql, values)`; `write` does it in a transaction.
 * Both repeat the work once on a new connection when the old one broke before anything could have been applied.
 */
function openDatabase({ url = process.env.DATABASE_URL, name, connections = 3, patienceMs = 0 }) {
  let pool;

  // node-postgres is loaded when it is first needed: a health check must answer before that.
  function ready() {
    if (pool) return pool;
    if (!url) throw new HttpError(503, 'unavailable', 'DATABASE_URL is not set');
    const { Pool } = require('pg');
    pool = new Pool({
      connectionString: url,
      application_name: `${name} ${release.version} ${release.color}`,
      max: connections,
      connectionTimeoutMillis: 1500,
      idleTimeoutMillis: 10_000,
      statement_timeout: 2000,
      lock_timeout: 1000,
      idle_in_transaction_session_timeout: 5000,
      // on this side too: a server that is gone without a word would be waited for until TCP gives up.
      query_timeout: 3000,
    });
    // Without these two a terminated session would end the process: of an idle connection, and of one in use between two queries.
    pool.on('error', () => {});
    pool.on('connect', (client) => client.on('error', () => {}));
    return pool;
  }

  async function once(work, transaction) {
    const client = await ready().connect();
    let broken = false;
    let committing = false;
    try {
      if (!transaction) return await work((sql, values) => client.query(sql, values));
      await client.query('begin');
      const result = await work((sql, values) => client.query(sql, values));
      committing = true;
      await client.query('commit');
      return result;
    } catch (error) {
      broken = isConnectionError(error);
      if (broken && committing) {
        throw new HttpError(504, 'unknown', 'the connection broke during commit: the change may or may not have been made');
      }
      if (transaction && !broken) {
        await client.query('rollback').catch(() => {
          broken = true;
        });
      }
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async function withRetry(work, transaction) {
    try {
      return await once(work, transaction);
    } catch (error) {
      // A dead connection of the pool is found out only by using it. Once is enough: if the next one is dead too, the database is.
      if (!isConnectionError(error) || error.code === 'ECONNREFUSED' || /timeout/.test(error.message)) throw error;
      return once(work, transaction);
    }
  }

  async function read(work) {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      try {
        return await withRetry(work, false);
      } catch (error) {
        if (!isConnectionError(error) || Date.now() > deadline) throw error;
        await pause(50);
      }
    }
  }

  return {
    read,
    write: (work) => withRetry(work, true),
    /** Loads the driver ahead of the first request. */
    warm: () => {
      if (url) ready();
    },
    close: async () => {
      if (pool) await pool.end();
    },
  };
}

module.exports = { openDatabase };
