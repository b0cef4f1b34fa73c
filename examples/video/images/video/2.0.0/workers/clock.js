// The one clock: leaves a tick, and queues what has to be done regularly. Two of it would queue everything twice.

module.exports = (database, instance) => ({
  idleMs: 1000,
  work: async () => {
    await database.write(async (query) => {
      await query('insert into ticks (instance) values ($1)', [instance]);
      await query("delete from ticks where at < now() - interval '1 day'");
      await query(`insert into jobs (kind, payload) select 'trending', '{}'
        where not exists (select from jobs where kind = 'trending')
          and not exists (select from trending where computed_at > now() - interval '5 seconds')`);
    });
    return false;
  },
});
