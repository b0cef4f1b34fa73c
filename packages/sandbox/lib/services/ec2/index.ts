/** The networking part of EC2: enough to create, describe and delete what stacks are made of. Nothing is routed or filtered. */
import type { Sandbox, Service } from '../../service';
import { groupHandlers } from './groups';
import { gatewayHandlers, vpcHandlers } from './network';
import { otherHandlers } from './others';
import { routeHandlers } from './routes';
import { Ec2Tables, tagHandlers } from './tables';

export const ec2 = (sandbox: Sandbox): Service => {
  const tables = new Ec2Tables(sandbox);
  return {
    client: 'client-ec2',
    handlers: {
      ...vpcHandlers(tables),
      ...gatewayHandlers(tables),
      ...routeHandlers(tables),
      ...groupHandlers(tables),
      ...otherHandlers(tables),
      ...tagHandlers(tables),
    },
  };
};
