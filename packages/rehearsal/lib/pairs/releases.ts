/** Pairs of published releases, with pinned versions: how the schema of the old one is made, and what is run between the two. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { files, filesIn, type Migrations, type SqlFile, since, typeorm, typeormIn } from './migrations';
import { fetched, type Package } from './packages';

export interface Releases {
  readonly id: string;
  readonly application: string;
  readonly from: string;
  readonly to: string;
  /** Makes the schema of the old release, with what its tool notes. */
  readonly old: Migrations;
  readonly migrations: Migrations;
  /** The application fills every column, and its migrations count on that. */
  readonly full?: boolean;
  /** Columns in whose text it keeps UUIDs. */
  readonly uuids?: RegExp;
  /** Where its tool notes what it has run. */
  readonly notes: readonly string[];
  /** Where it is refused without: what a team would declare or accept. */
  readonly declare?: {
    readonly prepare?: string;
    readonly bookkeeping?: true;
    readonly accept?: readonly string[];
    readonly bridges?: object;
  };
}

interface Fetched {
  readonly package: Pick<Package, 'registry' | 'name'>;
  readonly old: (folder: string) => Migrations;
  /** Both folders: the new release's, and the old one's. */
  readonly migrations: (folder: string, before: string) => Migrations;
}

/** Nothing is fetched before it is asked for. */
const pair = ({ package: { registry, name }, old, migrations, ...rest }: Omit<Releases, 'old' | 'migrations'> & Fetched): Releases => {
  const before = () => fetched({ registry, name, version: rest.from });
  const now = () => fetched({ registry, name, version: rest.to });
  return {
    ...rest,
    old: async (client) => old(before())(client),
    migrations: async (client) => migrations(now(), before())(client),
  };
};

const read = (...path: string[]): SqlFile => ({ name: path.at(-1)!, sql: readFileSync(join(...path), 'utf8') });

/** pop: a file for each dialect, or one for all. */
function popIn(folder: string): SqlFile[] {
  const all = filesIn(join(folder, 'persistence/sql/migrations/sql'), (file) => (/\.up\.sql$/.test(file) ? file : undefined));
  const version = ({ name }: SqlFile): string => name.split('_')[0]!;
  const dialect = /\.(postgres|cockroach|mysql|sqlite3?)(\.autocommit)?\.up\.sql$/;
  const own = all.filter(({ name }) => /\.postgres(\.autocommit)?\.up\.sql$/.test(name));
  const known = new Set(own.map(version));
  const general = all.filter((one) => !dialect.test(one.name) && !known.has(version(one)));
  return [...own, ...general].map((one) => ({ ...one, name: version(one) })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
const popNote = (version: string): string => `INSERT INTO schema_migration (version) VALUES ('${version}');`;
const popBegin =
  'CREATE TABLE schema_migration (version VARCHAR(48) NOT NULL, version_self INT NOT NULL DEFAULT 0); CREATE UNIQUE INDEX schema_migration_version_idx ON schema_migration (version);';

/** goose: both directions in one file. */
const gooseIn = (folder: string): SqlFile[] =>
  filesIn(join(folder, 'assets/migrations/postgres'), (file) => (/^\d+_.*\.sql$/.test(file) ? file : undefined)).map(({ name, sql }) => ({
    name,
    sql: sql.split(/^--\s*\+goose Down/m)[0]!,
  }));
const gooseNote = (name: string): string =>
  `INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (${Number.parseInt(name, 10)}, true, '2026-01-01');`;
const gooseBegin =
  'CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());';

const autheliaIn = (folder: string): SqlFile[] =>
  filesIn(join(folder, 'internal/storage/migrations'), (file) =>
    /V\d{4}\..*\b(postgres|all)\.up\.sql$/.test(file) || /^postgres\/V\d{4}\..*\.up\.sql$/.test(file)
      ? /V\d{4}/.exec(file)?.[0]
      : undefined,
  );
const autheliaNote =
  (release: string) =>
  (name: string): string =>
    `INSERT INTO migrations (applied, version_before, version_after, application_version) VALUES ('2026-01-01', ${Number(name.slice(1)) - 1}, ${Number(name.slice(1))}, 'v${release}');`;

/** `v1.10` comes behind `v1.9`; several files of a version, in the order of its manifest. */
function temporalIn(folder: string): SqlFile[] {
  const at = join(folder, 'schema/postgresql/v12/temporal/versioned');
  return filesIn(at, (file) => (/manifest\.json$/.test(file) ? file.split('/')[0] : undefined))
    .map(({ name, sql }) => {
      const { SchemaUpdateCqlFiles: list } = JSON.parse(sql) as { SchemaUpdateCqlFiles: string[] };
      const [, minor] = name.slice(1).split('.');
      return { name: `v1.${minor!.padStart(2, '0')}`, sql: list.map((file) => read(at, name, file).sql).join('\n;\n') };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
const temporalNote = (name: string): string => {
  const version = name.replace(/\.0(\d)$/, '.$1').slice(1);
  return `UPDATE schema_version SET curr_version = '${version}'; INSERT INTO schema_update_history VALUES (0, 2026, 1, '2026-01-01 00:${version.slice(2).padStart(2, '0')}', '${version}', '', '${version}', 'update to ${version}');`;
};
const temporalBegin = `CREATE TABLE schema_version (version_partition INT NOT NULL, db_name VARCHAR(255) NOT NULL, creation_time TIMESTAMP, curr_version VARCHAR(64), min_compatible_version VARCHAR(64), PRIMARY KEY (version_partition, db_name));
  CREATE TABLE schema_update_history (version_partition INT NOT NULL, year int NOT NULL, month int NOT NULL, update_time TIMESTAMP NOT NULL, description VARCHAR(255), manifest_md5 VARCHAR(64), new_version VARCHAR(64), old_version VARCHAR(64), PRIMARY KEY (version_partition, year, month, update_time));
  INSERT INTO schema_version VALUES (0, 'temporal', '2026-01-01', '0.0', '0.0');`;

const prismaIn = (folder: string): SqlFile[] =>
  filesIn(join(folder, 'litellm_proxy_extras/migrations'), (file) => (file.endsWith('migration.sql') ? file.split('/')[0] : undefined));
const prismaNote = (name: string): string =>
  `INSERT INTO _prisma_migrations (id, checksum, finished_at, started_at, migration_name, applied_steps_count) VALUES (md5('${name}'), md5('${name}') || md5('${name}'), '2026-01-01', '2026-01-01', '${name}', 1);`;
const prismaBegin =
  'CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);';

const flowise = (folder: string) => typeormIn(join(folder, 'dist/database/migrations/postgres'));
const medusa = (folder: string) => typeormIn(join(folder, 'dist/migrations'));

const camundaParts = ['engine', 'history', 'identity', 'case.engine', 'case.history', 'decision.engine', 'decision.history'];

export const releases: readonly Releases[] = [
  pair({
    declare: { prepare: 'ALTER TABLE schema_migration REPLICA IDENTITY USING INDEX schema_migration_version_idx', bookkeeping: true },
    ...{ id: 'kratos', application: 'Ory Kratos, identities', from: 'v1.0.0', to: 'v1.3.1' },
    notes: ['public.schema_migration'],
    package: { registry: 'go', name: 'github.com/ory/kratos' },
    old: (folder) => files(popIn(folder), popNote, popBegin),
    migrations: (folder, before) => files(since(popIn(folder), popIn(before)), popNote),
  }),
  pair({
    ...{ id: 'openfga', application: 'OpenFGA, authorization', from: 'v1.3.0', to: 'v1.8.0' },
    notes: ['public.goose_db_version'],
    package: { registry: 'go', name: 'github.com/openfga/openfga' },
    old: (folder) => files(gooseIn(folder), gooseNote, gooseBegin),
    migrations: (folder, before) => files(since(gooseIn(folder), gooseIn(before)), gooseNote),
  }),
  pair({
    full: true,
    declare: { bookkeeping: true, accept: ['public.webauthn_devices:dropped'] },
    ...{ id: 'authelia', application: 'Authelia, single sign-on', from: 'v4.37.5', to: 'v4.38.0' },
    notes: ['public.migrations'],
    package: { registry: 'go', name: 'github.com/authelia/authelia/v4' },
    old: (folder) => files(autheliaIn(folder), autheliaNote('4.37.5')),
    migrations: (folder, before) => files(since(autheliaIn(folder), autheliaIn(before)), autheliaNote('4.38.0')),
  }),
  pair({
    declare: { bookkeeping: true },
    ...{ id: 'temporal', application: 'Temporal, workflows', from: 'v1.20.0', to: 'v1.24.2' },
    notes: ['public.schema_version', 'public.schema_update_history'],
    package: { registry: 'go', name: 'go.temporal.io/server' },
    old: (folder) => files(temporalIn(folder), temporalNote, temporalBegin),
    migrations: (folder, before) => files(since(temporalIn(folder), temporalIn(before)), temporalNote),
  }),
  pair({
    declare: { bookkeeping: true },
    ...{ id: 'camunda', application: 'Camunda, processes', from: '7.18.0', to: '7.20.0' },
    notes: ['public.act_ge_schema_log'],
    package: { registry: 'maven', name: 'org.camunda.bpm:camunda-engine' },
    old: (folder) =>
      files(camundaParts.map((part) => read(folder, `org/camunda/bpm/engine/db/create/activiti.postgres.create.${part}.sql`))),
    migrations: (folder) =>
      files(['7.18_to_7.19', '7.19_to_7.20'].map((step) => read(folder, `org/camunda/bpm/engine/db/upgrade/postgres_engine_${step}.sql`))),
  }),
  pair({
    // strings move to another column, and its readme says what to do with the rest by hand.
    declare: {
      prepare: 'ALTER TABLE batch_job_execution_params ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
      accept: ['date_val', 'long_val', 'double_val'].map((column) => `public.batch_job_execution_params.${column}:dropped`),
    },
    ...{ id: 'spring-batch', application: 'Spring Batch, job repository', from: '4.3.10', to: '5.1.2' },
    notes: [],
    package: { registry: 'maven', name: 'org.springframework.batch:spring-batch-core' },
    old: (folder) => files([read(folder, 'org/springframework/batch/core/schema-postgresql.sql')]),
    migrations: (folder) => files([read(folder, 'org/springframework/batch/core/migration/5.0/migration-postgresql.sql')]),
  }),
  pair({
    ...{ id: 'litellm', application: 'LiteLLM, a proxy of models', from: '0.1.10', to: '0.2.10' },
    notes: ['public._prisma_migrations'],
    package: { registry: 'pypi', name: 'litellm-proxy-extras' },
    old: (folder) => files(prismaIn(folder), prismaNote, prismaBegin),
    migrations: (folder, before) => files(since(prismaIn(folder), prismaIn(before)), prismaNote),
  }),
  pair({
    declare: { bookkeeping: true },
    uuids: /^(chatflowid|messageId|credential)$/i,
    ...{ id: 'flowise', application: 'Flowise, flows of agents', from: '1.4.0', to: '1.8.0' },
    notes: ['public.migrations'],
    package: { registry: 'npm', name: 'flowise' },
    old: (folder) => typeorm(flowise(folder), true),
    migrations: (folder, before) => typeorm(since(flowise(folder), flowise(before))),
  }),
  pair({
    declare: { prepare: 'ALTER TABLE product_category_product REPLICA IDENTITY FULL', bookkeeping: true },
    ...{ id: 'medusa', application: 'Medusa, a shop', from: '1.12.0', to: '1.20.0' },
    notes: ['public.migrations'],
    package: { registry: 'npm', name: '@medusajs/medusa' },
    old: (folder) => typeorm(medusa(folder), true),
    migrations: (folder, before) => typeorm(since(medusa(folder), medusa(before))),
  }),
];
