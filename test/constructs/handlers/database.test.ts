import { handler } from '../../../lib/constructs/handlers/database.lambda';
import { handler as source } from '../../../lib/constructs/handlers/source.lambda';
import { roleNames } from '../../../lib/constructs/names';
import { connect } from '../../../lib/postgres/connection/connect';
import { type Bench, startBench } from './balancer';
import { CloudFormation } from './cloudformation';

let all: Bench;
let cloudFormation: CloudFormation;
let sources: CloudFormation;
let master: string;
beforeAll(async () => {
  [all, cloudFormation, sources] = [await startBench(), await CloudFormation.of(handler), await CloudFormation.of(source)];
  master = await secret('master', { username: 'switchback', password: 'master-password' });
  await instance('shop-database');
});
afterAll(async () => {
  await Promise.all([cloudFormation.stop(), sources.stop()]);
  await all.sandbox.stop();
});

async function instance(id: string): Promise<void> {
  await all.sandbox.call('rds', 'CreateDBInstance', {
    DBInstanceIdentifier: id,
    Engine: 'postgres',
    EngineVersion: '17',
    DBInstanceClass: 'db.t4g.medium',
    AllocatedStorage: 20,
    MasterUsername: 'switchback',
    MasterUserPassword: 'master-password',
    DBName: 'shop',
  });
  for (;;) {
    const { DBInstances } = await all.sandbox.call('rds', 'DescribeDBInstances', { DBInstanceIdentifier: id });
    if (DBInstances[0].DBInstanceStatus === 'available') return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const secret = async (name: string, value: object): Promise<string> =>
  (await all.sandbox.call('secretsmanager', 'CreateSecret', { Name: name, SecretString: JSON.stringify(value) })).ARN;
const contentOf = async (arn: string) =>
  JSON.parse((await all.sandbox.call('secretsmanager', 'GetSecretValue', { SecretId: arn })).SecretString);
const production = (id: string) =>
  all.sandbox.call('ssm', 'PutParameter', {
    Name: '/switchback/shop/state',
    Type: 'String',
    Overwrite: true,
    Value: JSON.stringify({ production: id, opened: true }),
  });

const properties = (users: { Kind: string; Secret: string }[], prepare = false) => ({
  System: 'shop',
  Instance: 'shop-database',
  Database: 'shop',
  MasterSecret: master,
  Roles: roleNames('shop'),
  Prepare: prepare,
  Users: users,
});

test('a color’s users can log in and read where their secrets say, and cannot write', async () => {
  const migrator = await secret('migrator', { username: 'shop_migrator', password: 'm' });
  expect((await cloudFormation.create(properties([{ Kind: 'migrator', Secret: migrator }], true))).Status).toBe('SUCCESS');
  expect(await contentOf(migrator)).toMatchObject({ dbname: 'shop', url: expect.stringContaining('postgres://shop_migrator:m@') });

  const [user, reader] = [
    await secret('user', { username: 'shop_green', password: 'green-password' }),
    await secret('reader', { username: 'shop_green_reader', password: 'reader-password' }),
  ];
  const users = properties([
    { Kind: 'color', Secret: user },
    { Kind: 'reader', Secret: reader },
  ]);
  const { PhysicalResourceId } = await cloudFormation.create(users);
  for (const arn of [user, reader]) {
    const { username, password, host, port, dbname } = await contentOf(arn);
    const db = await connect({ host, port, database: dbname }, { username, password });
    await expect(db.query('SELECT 1 AS one')).resolves.toEqual([{ one: 1 }]);
    await expect(db.query('CREATE TABLE mine ()')).rejects.toThrow(/permission denied|read-only/);
    await db.close();
  }

  // a runbook has sent the color elsewhere; a deploy does not bring it back.
  const moved = { ...(await contentOf(user)), host: 'elsewhere' };
  await all.sandbox.call('secretsmanager', 'PutSecretValue', { SecretId: user, SecretString: JSON.stringify(moved) });
  expect((await cloudFormation.update(PhysicalResourceId, users)).Status).toBe('SUCCESS');
  expect((await contentOf(user)).host).toBe('elsewhere');

  // the users stay when the stack goes.
  expect((await cloudFormation.delete(PhysicalResourceId, users)).Status).toBe('SUCCESS');
  const { host, port } = await contentOf(reader);
  await (await connect({ host, port, database: 'shop' }, { username: 'shop_green', password: 'green-password' })).close();
});

test('a database that is not there is named, without a password in the reason', async () => {
  await production('shop-fallback-w9');
  const { Status, Reason } = await cloudFormation.create(properties([]));
  expect([Status, Reason]).toEqual(['FAILED', 'the production database shop-fallback-w9 does not exist']);
});

test('a fallback replicates what is production when it is made, and the same ever after', async () => {
  const about = { System: 'shop', Window: 'w1', Instance: 'shop-database' };
  await all.sandbox.call('ssm', 'DeleteParameters', { Names: ['/switchback/shop/state'] });
  const first = await sources.create(about);
  expect(first).toMatchObject({ Status: 'SUCCESS', Data: { Source: 'shop-database' } });
  await production('shop-fallback-w1');
  expect(await sources.update(first.PhysicalResourceId, about)).toMatchObject({
    PhysicalResourceId: first.PhysicalResourceId,
    Data: { Source: 'shop-database' },
  });
  expect(await sources.create({ ...about, Window: 'w2' })).toMatchObject({ Data: { Source: 'shop-fallback-w1' } });
});
