/**
 * Makes roles and users in the production database, and tells each user's secret where that database is. It never
 * grants the right to write, which is a runbook's to give, and it leaves everything in place when a stack goes: the
 * tables belong to these roles.
 */
import { makeClients } from '../../aws/clients';
import { ColorDatabase } from '../../aws/color-database';
import { ensureUser, prepareRoles } from '../../postgres/access/roles';
import { connect } from '../../postgres/connection/connect';
import { withHost } from '../../steps/database-host';
import { databaseSchema } from '../properties';
import { customResource } from './respond';

const aws = new ColorDatabase(makeClients());

export const handler = customResource(databaseSchema, async ({ type, properties, physicalId }) => {
  const { System: system, Database: database, Roles: roles, Users: users } = properties;
  const answer = { physicalId: physicalId ?? `${system}-${users.map(({ Kind }) => Kind).join('-')}` };
  if (type === 'Delete') return answer;

  const instance = await aws.production(system, properties.Instance);
  const address = await aws.address(instance);
  const db = await connect({ ...address, database }, await aws.secret(properties.MasterSecret));
  try {
    if (properties.Prepare) await prepareRoles(db, { database, roles });
    for (const { Kind: kind, Secret: arn } of users) {
      const secret = await aws.secret(arn);
      await ensureUser(db, { user: secret.username, password: secret.password, kind, roles, database });
      // a host that is there may be one a runbook has written.
      const at = secret.host !== undefined && secret.port !== undefined ? { host: secret.host, port: secret.port } : address;
      const value = withHost(secret, { ...at, database }, properties.Certificates);
      if (value.url !== secret.url) await aws.writeSecret(arn, value);
    }
  } finally {
    await db.close();
  }
  return answer;
});
