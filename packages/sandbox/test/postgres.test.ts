import { spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { folderForTest, removeFolder, serverForTest, startServer } from '../../../test/_helpers/postgres';
import { findAccount, giveToServer, serverAccount, serverMayEnter, spawnOptions } from '../lib/postgres/account';
import { backup, copyStopped } from '../lib/postgres/backup';
import { findBinaries } from '../lib/postgres/binaries';
import { placeFor, removeOrphans, removePlaceFor } from '../lib/postgres/place';
import { isAlive, postmasterOf } from '../lib/postgres/process';
import { PostgresServer } from '../lib/postgres/server';
import { makeStandby, promote, standbySettings } from '../lib/postgres/standby';
import { eventually } from './tiny';

// initdb takes a second; every other server of these tests is a copy of what it made once.
let template: PostgresServer;
beforeAll(async () => {
  template = new PostgresServer({ binaries: findBinaries(), folder: join(folderForTest(), 'server'), ...superuser });
  await template.init();
});
afterAll(() => removeFolder(dirname(template.folder)));

const superuser = { superuser: 'rdsadmin', password: "it's \\ secret" };
const folders: string[] = [];
const servers: PostgresServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop('immediate');
  for (const folder of folders.splice(0)) removeFolder(folder);
});

const folder = (): string => {
  const made = folderForTest();
  folders.push(made);
  return made;
};
const newServer = async (log?: (line: string) => void): Promise<PostgresServer> => {
  const server = new PostgresServer({
    binaries: findBinaries(),
    folder: join(folder(), 'server'),
    ...superuser,
    settings: { fsync: 'off', wal_level: 'logical', wal_retrieve_retry_interval: '100ms' },
    ...(log && { log }),
  });
  servers.push(server);
  server.makeFolder();
  await copyStopped(template.data, server.data);
  return server;
};
const login = { user: superuser.superuser, password: superuser.password };

/** A server that serves `server`'s data in another folder. */
const sibling = (server: PostgresServer): PostgresServer => {
  const { binaries, superuser, password, settings } = server;
  const other = new PostgresServer({ binaries, folder: join(folder(), 'other'), superuser, password, settings });
  servers.push(other);
  other.makeFolder();
  return other;
};
const standbyOf = async (source: PostgresServer, slot = 'other'): Promise<PostgresServer> => {
  const replica = sibling(source);
  await makeStandby(source, replica, slot);
  replica.settings = { ...source.settings, ...standbySettings(replica, source, slot, login) };
  await replica.start();
  return replica;
};
const count = async (server: PostgresServer): Promise<number> =>
  Number((await server.query<{ count: string }>('SELECT count(*) FROM t'))[0]?.count);

describe('accounts', () => {
  test('nobody is taken where there is one, else an account that cannot log in, never root', () => {
    const root = 'root:x:0:0:root:/root:/bin/bash\n';
    const daemon = 'daemon:x:1:1::/:/usr/sbin/nologin\n';
    expect(findAccount(`${root}${daemon}nobody:x:65534:65534::/:/usr/sbin/nologin\n`)).toMatchObject({ name: 'nobody', uid: 65534 });
    expect(findAccount(`# a comment\nnobody:*:-2:-2:Unprivileged User:/var/empty:/usr/bin/false\n`)).toMatchObject({ uid: 4294967294 });
    expect(findAccount(`${root}${daemon}`)).toMatchObject({ name: 'daemon', uid: 1, gid: 1 });
    expect(() => findAccount(root)).toThrow('PostgreSQL does not run as root, and /etc/passwd has no unprivileged account');
  });
});

describe('a folder that the servers cannot enter', () => {
  let closed: string;
  beforeEach(() => {
    closed = mkdtempSync(join(tmpdir(), 'switchback-closed-'));
    chmodSync(closed, 0o700);
  });
  afterEach(async () => {
    await removePlaceFor(join(closed, 'rds'));
    rmSync(closed, { recursive: true, force: true });
  });

  test('programs in it are copied once to where they can be run, or run in place by their owner', () => {
    cpSync(dirname(findBinaries().folder), join(closed, 'native'), { recursive: true, verbatimSymlinks: true });
    // as after an installation without install scripts: the package's links are missing, and nothing is for others.
    for (const file of readdirSync(join(closed, 'native', 'lib'), { withFileTypes: true })) {
      if (file.isSymbolicLink()) rmSync(join(closed, 'native', 'lib', file.name));
    }
    chmodSync(join(closed, 'native', 'bin', 'postgres'), 0o700);
    const binaries = findBinaries(join(closed, 'native', 'bin'));
    expect(binaries.major).toBe(findBinaries().major);
    expect(binaries.folder.startsWith(closed)).toBe(false);
    expect(existsSync(join(binaries.folder, '..', 'lib', 'libpq.so'))).toBe(process.platform === 'linux');
    const copied = statSync(join(binaries.folder, 'postgres')).ino;
    expect(findBinaries(join(closed, '.', 'native', 'bin', '..', 'bin'))).toBe(binaries);
    expect(statSync(join(binaries.folder, 'postgres')).ino).toBe(copied);
    rmSync(dirname(binaries.folder), { recursive: true });
  });

  test('data asked for in it lies elsewhere, closed to others, and goes with it', async () => {
    const wanted = join(closed, 'rds');
    const place = placeFor(wanted);
    expect(serverMayEnter(place)).toBe(true);
    expect(placeFor(wanted)).toBe(place);
    expect(place === wanted).toBe(serverAccount() === undefined);
    const server = new PostgresServer({ binaries: findBinaries(), folder: join(place, 'one'), superuser: 'rdsadmin', password: 'x' });
    server.settings = { fsync: 'off' };
    servers.push(server);
    await server.init();
    await server.start();
    expect(statSync(join(place, 'one')).mode & 0o077).toBe(0);
    await server.stop('immediate');
    await removePlaceFor(wanted);
    rmSync(closed, { recursive: true });
    expect(existsSync(place)).toBe(false);
  });

  test('data whose folder is gone is found and removed, with a server that still runs on it', async () => {
    if (!serverAccount()) return;
    const wanted = join(closed, 'rds');
    const place = placeFor(wanted);
    const server = new PostgresServer({ binaries: findBinaries(), folder: join(place, 'one'), superuser: 'rdsadmin', password: 'x' });
    servers.push(server);
    await server.init();
    await server.start();
    const pid = postmasterOf(server.data) ?? 0;
    rmSync(closed, { recursive: true });
    expect(await removeOrphans()).toContain(wanted);
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(place)).toBe(false);
  });

  test('a folder made with a strict umask is opened just enough to be passed through', () => {
    const parent = folder();
    const before = process.umask(0o077);
    try {
      expect(placeFor(join(parent, 'rds'))).toBe(join(parent, 'rds'));
    } finally {
      process.umask(before);
    }
    expect(statSync(join(parent, 'rds')).mode & 0o777).toBe(0o711);
  });

  test('programs that cannot be run anywhere are named, with the reason', () => {
    expect(() => findBinaries(closed)).toThrow(`no program initdb in ${closed}`);
    for (const name of ['initdb', 'postgres']) writeFileSync(join(closed, name), '#!/bin/sh\necho broken >&2\nexit 7\n', { mode: 0o755 });
    mkdirSync(join(closed, 'bin'));
    for (const name of ['initdb', 'postgres']) cpSync(join(closed, name), join(closed, 'bin', name));
    expect(() => findBinaries(join(closed, 'bin'))).toThrow(/cannot be run: .*broken/);
    for (const base of new Set([tmpdir(), '/tmp', '/var/tmp'])) removeCopiesOf(closed, base);
  });
});

/** Copies of the broken programs above. */
function removeCopiesOf(_origin: string, base: string): void {
  for (const name of readdirSync(base).filter((entry) => entry.startsWith('switchback-postgres-'))) {
    const program = join(base, name, 'bin', 'postgres');
    if (existsSync(program) && statSync(program).size < 1000) rmSync(join(base, name), { recursive: true });
  }
}

describe('a server', () => {
  test('takes passwords only, on loopback only, and keeps its port over a restart', async () => {
    const server = await newServer();
    await server.start();
    const { port } = server;
    await server.query('CREATE TABLE t (n int)');
    await server.query('INSERT INTO t SELECT generate_series(1, 10)');
    const stranger = new Client({ host: '127.0.0.1', port: port ?? 0, user: 'rdsadmin', password: 'wrong', database: 'postgres' });
    await expect(stranger.connect()).rejects.toThrow('password authentication failed');
    const [row] = await server.query<{ rolpassword: string }>('SELECT rolpassword FROM pg_authid WHERE rolname = current_user');
    expect(row?.rolpassword).toMatch(/^SCRAM-SHA-256\$/);
    expect(await server.query('SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await server.query('SHOW unix_socket_directories')).toEqual([{ unix_socket_directories: '' }]);
    await server.restart();
    expect(server.port).toBe(port);
    expect(await count(server)).toBe(10);
  });

  test('chooses another port when its own was taken meanwhile, and says so', async () => {
    const lines: string[] = [];
    const server = await newServer((line) => lines.push(line));
    await server.start();
    const { port } = server;
    await server.stop();
    const other: Server = createServer().listen(port, '127.0.0.1');
    try {
      await eventually(() => other.listening);
      await server.start();
    } finally {
      other.close();
    }
    expect(server.port).not.toBe(port);
    expect(lines).toEqual([`port ${port} of the PostgreSQL server in ${server.folder} is taken; it gets ${server.port}`]);
  });

  test('that is killed with a session in the middle of a statement recovers what was acknowledged', async () => {
    const server = await newServer();
    await server.start();
    await server.query('CREATE TABLE t (n int)');
    await server.query('INSERT INTO t VALUES (1)');
    const pid = postmasterOf(server.data) ?? 0;
    const busy = server.query('INSERT INTO t SELECT 2 FROM pg_sleep(60)').catch((error: Error) => error);
    await eventually(
      async () => (await server.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO t SELECT 2%'")).length > 0,
    );
    await server.crash();
    expect(await busy).toBeInstanceOf(Error);
    expect(isAlive(pid)).toBe(false);
    expect(server.running).toBe(false);
    await server.start();
    expect(await count(server)).toBe(1);
    expect(readFileSync(join(server.folder, 'postgres.log'), 'utf8')).toContain('automatic recovery in progress');
  });

  test('that an earlier process left running is ended first', async () => {
    const lines: string[] = [];
    const server = await newServer((line) => lines.push(line));
    await server.start();
    await server.stop();
    const left = spawn(join(server.binaries.folder, 'postgres'), ['-D', server.data], {
      ...spawnOptions(),
      stdio: 'ignore',
      detached: true,
    });
    await eventually(() => postmasterOf(server.data) === left.pid);
    await server.start();
    expect(lines).toEqual([`ended the PostgreSQL server ${left.pid} that an earlier process had left on ${server.data}`]);
    expect(isAlive(left.pid ?? 0)).toBe(false);
    expect(await server.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  test('ends with the process that started it, even when that is killed', async () => {
    const server = await newServer();
    const script = `
      const { PostgresServer } = require(${JSON.stringify(require.resolve('../lib/postgres/server'))});
      const { findBinaries } = require(${JSON.stringify(require.resolve('../lib/postgres/binaries'))});
      const server = new PostgresServer({ binaries: findBinaries(), folder: ${JSON.stringify(server.folder)}, superuser: 'rdsadmin', password: 'x' });
      server.start().then(() => { console.log('started'); setInterval(() => {}, 1000); });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const pid = postmasterOf(server.data) ?? 0;
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await eventually(() => !isAlive(pid));
  });

  test('that does not start says why', async () => {
    const server = await newServer();
    server.settings = { max_connections: 'many' };
    await expect(server.start()).rejects.toThrow(/PostgreSQL did not start in .*invalid value for parameter "max_connections": "many"/);
    expect(server.running).toBe(false);
  });
});

describe('copies', () => {
  test('a standby made while writes go on streams all of them, and takes writes once promoted', async () => {
    const source = await newServer();
    await source.start();
    await source.query('CREATE TABLE t (n int)');
    let writing = true;
    const writer = source.connect('postgres', async (client) => {
      let n = 0;
      for (; writing; n++) await client.query('INSERT INTO t VALUES ($1)', [n]);
      return n;
    });
    const replica = await standbyOf(source);
    await source.query('SELECT pg_switch_wal()');
    writing = false;
    const written = await writer;
    await eventually(async () => (await count(replica)) === written);
    await expect(replica.query('INSERT INTO t VALUES (-1)')).rejects.toThrow('read-only transaction');
    const [shown] = await replica.query<{ primary_conninfo: string }>('SHOW primary_conninfo');
    expect(shown?.primary_conninfo).not.toContain('secret');
    await promote(replica);
    await replica.query('INSERT INTO t VALUES (-1)');
    await replica.restart();
    expect(await count(replica)).toBe(written + 1);
    // promoted already: nothing happens.
    await promote(replica);
  });

  test('a standby that was killed follows its source again, and a standby can have a standby', async () => {
    const source = await newServer();
    await source.start();
    await source.query('CREATE TABLE t (n int)');
    const replica = await standbyOf(source, 'first');
    const cascade = await standbyOf(replica, 'second');
    await replica.crash();
    await source.query('INSERT INTO t SELECT generate_series(1, 100)');
    await replica.start();
    await eventually(async () => (await count(cascade)) === 100);
    await promote(replica);
    await replica.query('INSERT INTO t VALUES (101)');
    await eventually(async () => (await count(cascade)) === 101);
  });

  test.each(['primary', 'standby'])('a copy of a running %s starts by itself and is complete up to its end', async (of) => {
    const source = await newServer();
    await source.start();
    await source.query('CREATE TABLE t (n int PRIMARY KEY)');
    await source.query('INSERT INTO t SELECT generate_series(1, 1000)');
    const copied = of === 'primary' ? source : await standbyOf(source);
    await eventually(async () => (await count(copied)) === 1000);
    let writing = true;
    const writer = source.connect('postgres', async (client) => {
      for (let n = 1001; writing; n++) await client.query('INSERT INTO t VALUES ($1)', [n]);
    });
    const alone = sibling(source);
    await backup(copied, alone.data);
    writing = false;
    await writer;
    await alone.start();
    const [row] = await alone.query<{ count: number; max: number }>('SELECT count(*)::int, max(n) FROM t');
    expect(row?.count).toBeGreaterThanOrEqual(1000);
    expect(row?.count).toBe(row?.max);
    await alone.query('INSERT INTO t VALUES (-1)');
    // nothing of the copying stays on the server that was copied.
    expect(await source.query("SELECT slot_name FROM pg_replication_slots WHERE slot_name LIKE 'backup%'")).toEqual([]);
  });

  test('a copy that fails leaves neither files nor a slot', async () => {
    const source = await newServer();
    await source.start();
    const target = join(folder(), 'data');
    writeFileSync(target, 'in the way');
    giveToServer(target);
    await expect(backup(source, target, 'kept')).rejects.toThrow();
    expect(await source.query('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
    expect(existsSync(target)).toBe(false);
  });
});

describe('test servers', () => {
  test('are real, can be made logical publishers, and leave nothing', async () => {
    const left = await serverForTest(async (server) => {
      expect(await server.query('SHOW wal_level')).toEqual([{ wal_level: 'logical' }]);
      const client = new Client(server.connection);
      await client.connect();
      await client.end();
      return server.port;
    });
    await expect(new Client({ host: '127.0.0.1', port: left }).connect()).rejects.toThrow('ECONNREFUSED');
  });

  test('have standbys that can be promoted and servers that can be killed', async () => {
    const server = await startServer();
    try {
      await server.query('CREATE TABLE t (n int)');
      const standby = await server.standby();
      expect(await standby.query('SELECT pg_is_in_recovery() AS standby')).toEqual([{ standby: true }]);
      await server.crash();
      await standby.promote();
      await standby.query('INSERT INTO t VALUES (1)');
      await standby.stop();
      await server.restart();
    } finally {
      await server.stop();
    }
  });
});
