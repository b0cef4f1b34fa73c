// One application: `node server.js site | api | admin | player`.

const { serve } = require('./lib/http');
const { openDatabase } = require('./lib/database');
const { release } = require('./lib/release');

const names = ['site', 'api', 'admin', 'player'];

async function main() {
  const name = process.argv[2];
  if (!names.includes(name)) {
    console.error(
      `unknown application ${JSON.stringify(name ?? '')}: start one of ${names.join(', ')}, for example \`node server.js site\``,
    );
    process.exit(2);
  }
  const database = openDatabase({ name, patienceMs: name === 'player' ? 1200 : 0 });
  const routes = {
    // Says that this process answers, and nothing about the database: during a fence or a migration every task must stay healthy.
    'GET /health': () => ({ json: { healthy: true } }),
    ...require(`./applications/${name}`)(database),
  };
  const server = await serve(routes, { host: process.env.HOST || '0.0.0.0', port: Number(process.env.PORT || 8080) });
  console.log(
    `${name} ${release.version} (${release.commit}, ${release.color}) listens on ${server.address.address}:${server.address.port}`,
  );
  setImmediate(() => database.warm());

  const stop = async () => {
    await server.stop();
    await database.close();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
}

main().catch((error) => {
  console.error(`cannot start: ${error.message}`);
  process.exit(1);
});
