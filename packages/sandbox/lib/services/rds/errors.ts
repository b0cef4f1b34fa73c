/** The errors of RDS, with its own codes and, where they are known, its own words. */
import { AwsError } from '../../service';

export const instanceNotFound = (id: string) => new AwsError('DBInstanceNotFound', `DBInstance ${id} not found.`, 404);
export const invalidState = (message: string) => new AwsError('InvalidDBInstanceState', message);
export const invalidValue = (message: string) => new AwsError('InvalidParameterValue', message);
export const invalidCombination = (message: string) => new AwsError('InvalidParameterCombination', message);
export const snapshotNotFound = (id: string) => new AwsError('DBSnapshotNotFound', `DBSnapshot not found: ${id}`, 404);
export const snapshotExists = (id: string) =>
  new AwsError('DBSnapshotAlreadyExists', `Cannot create the snapshot because a snapshot with the identifier ${id} already exists.`);
export const parameterGroupNotFound = (name: string) =>
  new AwsError('DBParameterGroupNotFound', `DBParameterGroup not found: ${name}`, 404);
export const subnetGroupNotFound = (name: string) =>
  new AwsError('DBSubnetGroupNotFoundFault', `DB subnet group '${name}' does not exist.`, 404);
