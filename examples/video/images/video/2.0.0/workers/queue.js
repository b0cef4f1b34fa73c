// Takes jobs and does them. Any number of these may run: a job is locked by the one that took it, and the others skip it.

const batch = 20;
const mostAttempts = 5;

const jobs = {
  /** One playback: a row for the record, and one more on the counter of its video. */
  play: async (query, { video, ref }) => {
    await query('insert into plays (video_id, ref) values ($1, $2)', [video, ref]);
    await query('update videos set play_count = play_count + 1 where id = $1', [video]);
  },
  /** Which videos were played most in the last hour. */
  trending: (query) =>
    query(`insert into trending (id, video_ids, computed_at)
      select 1, coalesce(array_agg(video_id), '{}'), now()
        from (select video_id from plays where played_at > now() - interval '1 hour' group by video_id order by count(*) desc, video_id limit 10) top
      on conflict (id) do update set video_ids = excluded.video_ids, computed_at = excluded.computed_at`),
};

module.exports = (database) => {
  /** The job and its disappearance from the queue are one transaction: done exactly once, or not at all. */
  async function take(limit) {
    let current;
    try {
      return await database.write(async (query) => {
        const taken = await query(
          `select id, kind, payload from jobs where failed_at is null and run_at <= now()
           order by id limit $1 for update skip locked`,
          [limit],
        );
        // always in the same order, so that two workers never wait for each other's videos
        const ordered = taken.rows.sort((a, b) => (a.payload.video ?? 0) - (b.payload.video ?? 0) || a.id - b.id);
        for (const job of ordered) {
          current = job;
          if (!jobs[job.kind]) throw Object.assign(new Error(`there is no job called ${job.kind}`), { code: 'JOB' });
          await jobs[job.kind](query, job.payload);
        }
        await query('delete from jobs where id = any ($1)', [ordered.map((job) => job.id)]);
        return ordered.length;
      });
    } catch (error) {
      // Only what is wrong with the job itself counts against it: bad data (class 22), a broken reference (class 23), an unknown kind.
      if (!current || !/^(22|23|JOB)/.test(error.code ?? '')) throw error;
      await database.write((query) =>
        query(
          `update jobs set attempts = attempts + 1, error = $2, run_at = now() + interval '1 second' * (attempts + 1),
             failed_at = case when attempts + 1 >= $3 then now() end where id = $1`,
          [current.id, error.message, mostAttempts],
        ),
      );
      return 1;
    }
  }
  return { idleMs: 250, work: async () => (await take(batch)) > 0 };
};
