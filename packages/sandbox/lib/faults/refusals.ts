/** How services refuse, each in its own words. */
import { AwsError } from '../service';
import type { ServiceName } from '../service-names';

export const failed = (service: ServiceName): AwsError =>
  new AwsError(service === 's3' ? 'InternalError' : 'InternalFailure', 'An internal error occurred (a fault).', 500);

export const denied = (service: ServiceName): AwsError =>
  new AwsError(service === 's3' ? 'AccessDenied' : 'AccessDeniedException', 'Access Denied (a fault)', 403);

export function throttled(service: ServiceName): AwsError {
  switch (service) {
    case 's3':
      return new AwsError('SlowDown', 'Please reduce your request rate.', 503);
    case 'rds':
    case 'cloudformation':
    case 'cloudwatch':
    case 'iam':
    case 'sts':
      return new AwsError('Throttling', 'Rate exceeded');
    case 'ec2':
      return new AwsError('RequestLimitExceeded', 'Request limit exceeded.', 503);
    case 'lambda':
      return new AwsError('TooManyRequestsException', 'Rate Exceeded.', 429);
    case 'scheduler':
      return new AwsError('ThrottlingException', 'Rate exceeded', 429);
    default:
      return new AwsError('ThrottlingException', 'Rate exceeded');
  }
}
