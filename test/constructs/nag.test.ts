import * as iam from 'aws-cdk-lib/aws-iam';
import { Validations } from 'aws-cdk-lib/core';
import { AwsSolutionsChecks } from 'cdk-nag';
import { system, testApp } from './system';

test('the stacks pass AwsSolutions, and every exception has a reason', () => {
  const app = testApp();
  system({}, app);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
  const reasons = app.node
    .findAll()
    .flatMap((node) =>
      node.node.metadata
        .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
        .flatMap(({ data }) => Object.entries(data as Record<string, unknown>)),
    );
  expect(reasons.length).toBeGreaterThan(10);
  for (const [id, reason] of reasons) expect([id, JSON.stringify(reason).length > 20]).toEqual([id, true]);
});

test('fails without the exceptions: the checks do run', () => {
  const app = testApp();
  const { shared } = system({}, app);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  shared.runner.role.addManagedPolicy(iam.ManagedPolicy.fromAwsManagedPolicyName('AdministratorAccess'));
  expect(() => app.synth()).toThrow('AwsSolutions-IAM4');
});
