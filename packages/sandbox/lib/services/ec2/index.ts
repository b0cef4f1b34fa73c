/** The networking part of EC2: enough to create, describe and delete what stacks are made of. Nothing is routed or filtered. */
import type { Sandbox, Service } from '../../service';
import { groupHandlers } from './groups';
import { gatewayHandlers, vpcHandlers } from './network';
import { otherHandlers } from './others';
import { routeHandlers } from './routes';
import { Rows, tagHandlers } from './tables';

export const ec2 = (sandbox: Sandbox): Service => {
  const rows = new Rows(sandbox);
  return {
    client: 'client-ec2',
    handlers: {
      ...vpcHandlers(rows),
      ...gatewayHandlers(rows),
      ...routeHandlers(rows),
      ...groupHandlers(rows),
      ...otherHandlers(rows),
      ...tagHandlers(rows),
    },
  };
};
