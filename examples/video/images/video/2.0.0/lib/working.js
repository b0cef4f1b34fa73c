// What every worker has in common: a row that proves when it ran, a loop, and an end after the job at hand.

const { release } = require('./release');

/**
 * Runs `work()` again and again until SIGTERM; the job under way is finished first. `work` resolves to true when
 * there may be more to do at once, else the worker waits `idleMs`. Nothing is done before the run is on record.
 */
async function runWorker({ name, instance, database, idleMs, work }) {
  let stopping = false;
  let wake = () => {};
  const pause = (ms) =>
    new Promise((resolve) => {
      if (stopping) return resolve();
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const stop = () => {
    stopping = true;
    wake();
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);

  let complaint = '';
  /** Resolves to undefined when the database refuses or cannot be reached: a worker waits for better times, it does not die. */
  async function attempt(action) {
    try {
      const result = await action();
      if (complaint) console.log(`${name}: working again`);
      complaint = '';
      return result;
    } catch (error) {
      if (complaint !== error.message) console.error(`${name}: ${error.message}`);
      complaint = error.message;
      return undefined;
    }
  }

  // The database's clock, so that runs of different machines can be compared.
  const started = () =>
    database.write((query) =>
      query(
        `insert into worker_runs (worker, instance, release, color, started_at, seen_at)
         values ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())
         on conflict (instance) do nothing`,
        [name, instance, release.version, release.color],
      ),
    );
  const seen = () => database.write((query) => query('update worker_runs set seen_at = clock_timestamp() where instance = $1', [instance]));
  const stopped = () =>
    database.write((query) =>
      query('update worker_runs set seen_at = clock_timestamp(), stopped_at = clock_timestamp() where instance = $1', [instance]),
    );

  while (!stopping && !(await attempt(started))) await pause(500);
  if (stopping) return;
  console.log(`${name} ${release.version} (${release.commit}, ${release.color}) works as ${instance}`);
  // On a timer of its own: a long job must not look like a dead worker.
  const heartbeat = setInterval(() => seen().catch(() => {}), 1000);

  while (!stopping) {
    const more = await attempt(work);
    if (!more) await pause(more === undefined ? 500 : idleMs);
  }
  clearInterval(heartbeat);
  await attempt(stopped);
  console.log(`${name} stopped`);
}

module.exports = { runWorker };
