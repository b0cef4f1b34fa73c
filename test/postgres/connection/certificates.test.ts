import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authorities } from '../../../lib/postgres/connection/certificates';
import { connect, type Db } from '../../../lib/postgres/connection/connect';
import { ensureMarker } from '../../../lib/postgres/replication/marker';
import { createSubscription, dropSubscription, ensureFeedUser } from '../../../lib/postgres/replication/subscription';
import { giveToServer } from '../../../packages/sandbox/lib/postgres/account';
import { folderForTest } from '../../_helpers/postgres';
import { allowFeeding, database, failure, master, prepareUsers, roles, type Server, startServer, stopServers } from '../servers';

const file = join(__dirname, '../../../certificates/rds-global-bundle.pem');
const folder = folderForTest();
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
// a name of 127.0.0.1 that is not one of those for which there is no TLS.
const host = '2130706433';
let server: Server;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=Test authority',
    '-days',
    '2',
  );
  for (const name of [host, 'somebody-else']) {
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:${name}`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-out', `${name}.pem`);
  }
  server = await startServer();
});
afterAll(async () => {
  await stopServers();
  rmSync(folder, { recursive: true, force: true });
});
const given = process.env['NODE_EXTRA_CA_CERTS'];
beforeEach(() => {
  delete process.env['NODE_EXTRA_CA_CERTS'];
});
afterAll(() => {
  if (given !== undefined) process.env['NODE_EXTRA_CA_CERTS'] = given;
});

/** The server speaks TLS with that certificate. */
async function speakAs(name: string, trusting = 'ca.pem'): Promise<void> {
  const admin = await server.superuser();
  const [data] = await admin.query<{ folder: string }>("SELECT pg_catalog.current_setting('data_directory') AS folder");
  for (const [to, of] of [
    ['server.crt', `${name}.pem`],
    ['server.key', `${name}.key`],
    ['ca.pem', 'ca.pem'],
  ] as const) {
    const path = join(data!.folder, to);
    rmSync(path, { force: true });
    copyFileSync(join(folder, of), path);
    chmodSync(path, 0o600);
    giveToServer(path);
  }
  await admin.query('ALTER SYSTEM SET ssl = on');
  await admin.query(`ALTER SYSTEM SET ssl_ca_file = '${trusting}'`);
  await admin.query('SELECT pg_reload_conf()');
  const began = performance.now();
  while (!(await admin.query<{ ok: boolean }>("SELECT setting = 'on' AS ok FROM pg_settings WHERE name = 'ssl'"))[0]!.ok) {
    if (performance.now() - began > 10_000) throw new Error('the server does not take the certificate');
  }
  await admin.close();
}

const asMaster = (): Promise<Db> => connect({ host, port: server.address.port, database }, master);

test('the list of authorities is AWS’s own, of 30 Regions, and none of them ends soon', () => {
  const text = readFileSync(file, 'utf8');
  expect(createHash('sha256').update(text).digest('hex')).toBe('390fdc813e2e58ec5a0def8ce6422b83d75032899167052ab981d8e1b3b14ff2');
  const roots = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)!.map((pem) => new X509Certificate(pem));
  expect(roots).toHaveLength(96);
  for (const root of roots) {
    expect(root.ca && root.subject === root.issuer && root.verify(root.publicKey)).toBe(true);
    expect(root.subject).toContain('OU=Amazon RDS');
    expect(new Date(root.validTo).getTime()).toBeGreaterThan(Date.UTC(2061, 4, 18));
  }
  const regions = new Set(roots.map((root) => /Amazon RDS (?:\w+ )?([a-z]+-[a-z]+-\d)/.exec(root.subject)?.[1]));
  expect(regions.size).toBe(30);
  expect(authorities()).toEqual([text]);
});

test('a server whose certificate RDS did not sign is not talked to, nor one of another name', async () => {
  await speakAs(host);
  expect((await failure(asMaster())).message).toMatch(
    /unable to verify the first certificate|self-signed certificate in certificate chain/,
  );
  process.env['NODE_EXTRA_CA_CERTS'] = join(folder, 'ca.pem');
  const db = await asMaster();
  expect(await db.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).toEqual([{ ssl: true }]);
  await db.close();
  await speakAs('somebody-else');
  expect((await failure(asMaster())).message).toMatch(/does not match certificate's altnames/);
});

test('a feed checks with the file of the fallback’s own server, and says why where it cannot', async () => {
  const db = await server.master();
  const login = { username: 'switchback_feed', password: 'feed-secret' };
  await prepareUsers(db);
  await allowFeeding(server);
  await ensureMarker(db);
  await ensureFeedUser(db, { user: login.username, password: login.password, roles, database });
  await db.query('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION switchback_w1 FOR TABLE t');
  await db.query("SELECT pg_create_logical_replication_slot('switchback_w1', 'pgoutput')");
  const made = async () => {
    const [fallback, why]: [Db, string[]] = [await server.master(), []];
    const unverified = async (reason: string) => void why.push(reason);
    await createSubscription(fallback, 'switchback_w1', { address: { ...server.address, host }, login, unverified }, false);
    const [row] = await (await server.superuser()).query<{ tls: string }>(
      `SELECT substring(subconninfo from 'sslmode=.*connect') AS tls FROM pg_subscription`,
    );
    await dropSubscription(fallback, 'switchback_w1');
    return { tls: row!.tls, why };
  };
  await speakAs(host);
  expect(await made()).toEqual({ tls: "sslmode='verify-full' sslrootcert='ca.pem' connect", why: [] });
  await speakAs('somebody-else');
  expect(await made()).toEqual({ tls: "sslmode='require' connect", why: [expect.stringMatching(/does not match host name/)] });
  await speakAs(host, '');
  expect(await made()).toEqual({ tls: "sslmode='require' connect", why: ['its ssl_ca_file is empty'] });
  // what has nothing to do with the certificate is no reason to do without it.
  await speakAs(host);
  const wrong = { address: { ...server.address, host }, login: { ...login, password: 'another' } };
  expect((await failure(createSubscription(await server.master(), 'switchback_w1', wrong, false))).message).toMatch(
    /password authentication/,
  );
});
