/**
 * Tells a new fallback which instance to replicate: the production database at that moment. The answer is part of the
 * resource's id and never changes again, because CloudFormation would replace or promote the fallback if it did.
 */
import { makeClients } from '../../aws/clients';
import { ColorDatabase } from '../../aws/color-database';
import { sourceSchema } from '../properties';
import { customResource } from './respond';

const aws = new ColorDatabase(makeClients());

export const handler = customResource(sourceSchema, async ({ properties, physicalId }) => {
  const { System: system, Window: window, Instance: instance } = properties;
  const prefix = `${system}-${window}-replicates-`;
  const source = physicalId?.startsWith(prefix) ? physicalId.slice(prefix.length) : await aws.production(system, instance);
  return { physicalId: `${prefix}${source}`, attributes: { Source: source } };
});
