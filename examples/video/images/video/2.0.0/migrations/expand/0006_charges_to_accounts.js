// The slow one: every charge and invoice finds its account. In batches, each committed by itself, so that no lock is held for long
// and a run that was interrupted goes on where it stopped.

const { setTimeout: pause } = require('node:timers/promises');

const batches = 20;

exports.up = async (pgm) => {
  pgm.noTransaction();
  // How long it takes altogether. With production's data it is slow by itself; here the rehearsal says how slow.
  const pauseMs = (Number(process.env.BACKFILL_SECONDS ?? 2) * 1000) / batches;
  for (const table of ['invoices', 'charges']) {
    const { rows } = await pgm.db.query(`select coalesce(max(id), 0) as last from ${table}`);
    const size = Math.max(1, Math.ceil(rows[0].last / batches));
    for (let batch = 1; batch <= batches; batch++) {
      const { rowCount } = await pgm.db.query(
        `update ${table} set account_id = accounts.id from accounts
          where accounts.owner_id = ${table}.user_id and ${table}.account_id is null
            and ${table}.id between ${(batch - 1) * size + 1} and ${batch * size}`,
      );
      if (table !== 'charges') continue;
      console.log(`  charges: batch ${batch} of ${batches}, ${rowCount} rows`);
      await pause(pauseMs);
    }
  }
};

exports.down = false;
