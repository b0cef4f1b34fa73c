/** How the handlers of the load balancer service reach what it remembers and what really runs. */
import type { Elbv2Tables } from './tables';
import type { Traffic } from './traffic';

export interface Elbv2 extends Elbv2Tables {
  readonly traffic: Traffic;
}
