import type * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Fn } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { acknowledge } from './permissions';
import type { SwitchbackProps } from './props';

export type FrontDoorProps = Pick<SwitchbackProps, 'loadBalancer' | 'listener' | 'certificate' | 'internetFacing'> & {
  readonly vpc: ec2.IVpc;
  readonly securityGroup: ec2.ISecurityGroup;
  readonly deletionProtection: boolean;
};

/** The load balancer and its listener: made here, or adopted. */
export class FrontDoor extends Construct {
  readonly loadBalancerArn: string;
  readonly loadBalancerName: string;
  readonly listener: elbv2.IApplicationListener;

  /** @internal */
  constructor(scope: Construct, id: string, props: FrontDoorProps) {
    super(scope, id);
    if (props.loadBalancer && props.listener) {
      this.listener = props.listener;
      this.loadBalancerArn = props.loadBalancer.loadBalancerArn;
      // arn:…:loadbalancer/app/<name>/<id>
      this.loadBalancerName = Fn.select(2, Fn.split('/', this.loadBalancerArn));
      return;
    }
    const balancer = new elbv2.ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc: props.vpc,
      internetFacing: props.internetFacing ?? true,
      securityGroup: props.securityGroup,
      deletionProtection: props.deletionProtection,
      dropInvalidHeaderFields: true,
    });
    acknowledge(
      balancer,
      'ELB2',
      'where access logs go is the account’s to decide; a load balancer of your own, with logs, can be adopted',
    );
    this.loadBalancerArn = balancer.loadBalancerArn;
    this.loadBalancerName = balancer.loadBalancerName;
    const defaultAction = elbv2.ListenerAction.fixedResponse(503, {
      contentType: 'text/plain',
      messageBody: 'Nothing is served at this address.',
    });
    if (props.certificate) {
      balancer.addRedirect({ open: false });
      this.listener = balancer.addListener('Https', {
        port: 443,
        certificates: [props.certificate],
        sslPolicy: elbv2.SslPolicy.RECOMMENDED_TLS,
        defaultAction,
        open: false,
      });
    } else {
      this.listener = balancer.addListener('Http', { port: 80, defaultAction, open: false });
    }
  }
}

/** The ports customers come in at. */
export const listenerPorts = (props: Pick<SwitchbackProps, 'listener' | 'certificate'>): number[] =>
  props.listener ? [] : props.certificate ? [80, 443] : [80];
