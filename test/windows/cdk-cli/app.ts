/** A small app with one of everything the CDK CLI test needs; synthesised in the test's own process. */
import { App, CfnOutput, CustomResource, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import * as ssm from 'aws-cdk-lib/aws-ssm';

export interface Choices {
  /** The tag of the image that the service runs. */
  readonly release: string;
  /** What the custom resource is given; `refuse` makes its function refuse. */
  readonly greeting: string;
}

/** Answers where CloudFormation says, as every function behind a custom resource does. */
const handler = `
exports.handler = async (event) => {
  const refused = event.RequestType !== 'Delete' && event.ResourceProperties.Greeting === 'refuse';
  const body = JSON.stringify({
    Status: refused ? 'FAILED' : 'SUCCESS',
    Reason: refused ? 'this greeting is not allowed' : undefined,
    PhysicalResourceId: 'greeting',
    StackId: event.StackId, RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
    Data: { Text: event.ResourceProperties.Greeting + ', world' },
  });
  await fetch(event.ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } });
};`;

/** Writes the cloud assembly to `folder`. */
export function synthesize(folder: string, { release, greeting }: Choices): void {
  const app = new App({ outdir: folder, analyticsReporting: false, context: { '@aws-cdk/aws-ec2:restrictDefaultSecurityGroup': false } });
  const stack = new Stack(app, 'small');

  const vpc = new ec2.Vpc(stack, 'Vpc', { maxAzs: 2, natGateways: 1 });
  const balancer = new elb.ApplicationLoadBalancer(stack, 'Balancer', { vpc, internetFacing: true });
  const listener = balancer.addListener('Http', { port: 80, open: true, defaultAction: elb.ListenerAction.fixedResponse(503) });

  const cluster = new ecs.Cluster(stack, 'Cluster', { vpc });
  const task = new ecs.FargateTaskDefinition(stack, 'Task');
  const secret = new secretsmanager.Secret(stack, 'Secret', {
    generateSecretString: {
      secretStringTemplate: '{"username":"app"}',
      generateStringKey: 'password',
      passwordLength: 24,
      excludePunctuation: true,
    },
  });
  task.addContainer('app', {
    image: ecs.ContainerImage.fromRegistry(`hello:${release}`),
    command: ['node', 'server.js'],
    portMappings: [{ containerPort: 8080 }],
    environment: { RELEASE: release },
    secrets: { PASSWORD: ecs.Secret.fromSecretsManager(secret, 'password') },
  });
  const service = new ecs.FargateService(stack, 'Service', {
    cluster,
    taskDefinition: task,
    desiredCount: 1,
    minHealthyPercent: 100,
    circuitBreaker: { rollback: true },
  });
  listener.addTargets('App', {
    port: 8080,
    protocol: elb.ApplicationProtocol.HTTP,
    targets: [service],
    priority: 10,
    conditions: [elb.ListenerCondition.pathPatterns(['/*'])],
    deregistrationDelay: Duration.seconds(5),
    healthCheck: { path: '/', interval: Duration.seconds(5), timeout: Duration.seconds(2), healthyThresholdCount: 2 },
  });

  const answer = new lambda.Function(stack, 'Answer', {
    runtime: lambda.Runtime.NODEJS_22_X,
    handler: 'index.handler',
    code: lambda.Code.fromInline(handler),
  });
  const custom = new CustomResource(stack, 'Greeting', {
    serviceToken: answer.functionArn,
    properties: { Greeting: greeting },
    resourceType: 'Custom::Greeting',
  });
  new ssm.StringParameter(stack, 'Said', { parameterName: '/small/said', stringValue: custom.getAttString('Text') });
  const bucket = new s3.Bucket(stack, 'Bucket', { removalPolicy: RemovalPolicy.DESTROY, encryption: s3.BucketEncryption.S3_MANAGED });
  new CfnOutput(stack, 'BucketName', { value: bucket.bucketName });
  new CfnOutput(stack, 'Listener', { value: listener.listenerArn });
  app.synth();
}
