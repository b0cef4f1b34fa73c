import type * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { CustomResource } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { Color } from '../manifest/release';
import { attributeOfRule, type RuleDefinition, type RulesProperties } from './properties';

export interface RulesProps {
  readonly serviceToken: string;
  readonly system: string;
  readonly owner: Color | 'maintenance';
  readonly listener: elbv2.IApplicationListener;
  readonly loadBalancerArn: string;
  readonly firstPriority: number;
  readonly rules: readonly RuleDefinition[];
}

/**
 * Listener rules that runbooks move: made once at their place and never moved by a deploy. A custom resource, because
 * CloudFormation would put a rule's priority back with the next change of it.
 */
export class Rules extends Construct {
  private readonly resource: CustomResource;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: RulesProps,
  ) {
    super(scope, id);
    const properties: RulesProperties = {
      System: props.system,
      Owner: props.owner,
      Listener: props.listener.listenerArn,
      LoadBalancer: props.loadBalancerArn,
      FirstPriority: props.firstPriority,
      Rules: [...props.rules],
    };
    this.resource = new CustomResource(this, 'Resource', {
      serviceToken: props.serviceToken,
      resourceType: 'Custom::SwitchbackRules',
      properties,
    });
  }

  /** For the manifest, packed: without those of the passage, which no runbook moves. */
  get manifest(): { listener: string; rules: string[] } {
    return {
      listener: this.props.listener.listenerArn,
      rules: this.props.rules
        .filter(({ Kind }) => Kind !== 'passage' && Kind !== 'cookie')
        .map(({ Application, Kind, Slot }) => `${Kind} ${Slot} ${Application} ${this.resource.getAttString(attributeOfRule(Kind, Slot))}`),
    };
  }

  /** The listener's own address: `http://<load balancer>:<port>`, as it is when the stack is deployed. */
  get address(): string {
    return this.resource.getAttString('Address');
  }
}
