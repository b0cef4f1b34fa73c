// Migrations: `node migrate.js expand` applies what this release needs, `node migrate.js contract` takes away what no release needs any more.

const { existsSync } = require('node:fs');
const { join } = require('node:path');

const parts = ['expand', 'contract'];

async function main() {
  const part = process.argv[2];
  if (!parts.includes(part)) {
    console.error(`unknown part ${JSON.stringify(part ?? '')}: run \`node migrate.js expand\` or \`node migrate.js contract\``);
    process.exit(2);
  }
  if (!process.env.DATABASE_URL) {
    console.error('DATABASE_URL is not set: it must name the database and the user that migrations run as');
    process.exit(2);
  }
  const folder = join(__dirname, 'migrations', part);
  const { Client } = require('pg');
  const { runner } = await import('node-pg-migrate');
  const client = new Client({
    connectionString: process.env.DATABASE_URL,
    application_name: `migrate ${part}`,
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {});
  let name = 'connecting';
  let applied = 0;
  const began = Date.now();
  try {
    await client.connect();
    // One at a time, each in its own transaction, to say how long each took and which one failed.
    while (existsSync(folder)) {
      const started = process.hrtime.bigint();
      const [done] = await runner({
        dbClient: client,
        dir: folder,
        direction: 'up',
        count: 1,
        singleTransaction: false,
        // contract runs at the end of a release and expand at the start of the next: two lists, each in its own order
        migrationsTable: part === 'expand' ? 'pgmigrations' : 'pgmigrations_contract',
        logger: { info: (line) => (name = /^### MIGRATION (\S+)/.exec(line)?.[1] ?? name), warn() {}, error() {}, debug() {} },
      });
      if (!done) break;
      applied += 1;
      console.log(`${part} ${done.name} ${seconds(Number(process.hrtime.bigint() - started) / 1e6)}`);
    }
    console.log(`${part}: ${applied === 0 ? 'nothing to apply' : `${applied} applied in ${seconds(Date.now() - began)}`}`);
  } catch (error) {
    const detail = [error.detail, error.hint].filter(Boolean).map((text) => ` (${text})`);
    console.error(`${part} ${name} failed: ${error.message}${detail.join('')}`);
    process.exitCode = 1;
  } finally {
    await client.end().catch(() => {});
  }
}

const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;

main().catch((error) => {
  console.error(`migrations failed: ${error.message}`);
  process.exit(1);
});
