// One worker: `node worker.js queue | clock | billing`. Any number of queue workers may run, of the others only one.

const { randomUUID } = require('node:crypto');
const { openDatabase } = require('./lib/database');
const { runWorker } = require('./lib/working');

const names = ['queue', 'clock', 'billing'];

async function main() {
  const name = process.argv[2];
  if (!names.includes(name)) {
    console.error(`unknown worker ${JSON.stringify(name ?? '')}: start one of ${names.join(', ')}, for example \`node worker.js queue\``);
    process.exit(2);
  }
  // two connections: one for the work, one for the heartbeat
  const database = openDatabase({ name, connections: 2 });
  const instance = randomUUID();
  await runWorker({ name, instance, database, ...require(`./workers/${name}`)(database, instance) });
  await database.close();
  process.exit(0);
}

main().catch((error) => {
  console.error(`worker failed: ${error.message}`);
  process.exit(1);
});
