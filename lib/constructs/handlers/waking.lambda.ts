/**
 * Stands in front of a custom resource's function that is in the VPC, and is itself in none. CloudFormation asks weeks after the last time,
 * when AWS has taken that function's network interfaces back, and does not ask twice: this one does, until the event is taken.
 */
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import { makeClients } from '../../aws/clients';
import { Functions } from '../../aws/invoke';
import { wallClock } from '../../base/clock';
import { insideVariable } from '../properties';
import { refuse } from './respond';

const functions = new Functions(makeClients(), wallClock, () => undefined);

export const handler = async (event: CloudFormationCustomResourceEvent): Promise<void> => {
  try {
    // it answers CloudFormation itself.
    await functions.enqueue(process.env[insideVariable] ?? '', event);
  } catch (error) {
    await refuse(event, error);
  }
};
