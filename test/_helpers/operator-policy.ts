/** What `grantOperate` allows, and whether what a terminal has called is in it: on the sandbox nobody is refused. */
import * as iam from 'aws-cdk-lib/aws-iam';
import { Stack } from 'aws-cdk-lib/core';
import { resources, system, testApp } from '../constructs/system';

/** `elbv2 DescribeRules`, as the sandbox tells its calls, by AWS's names for rights where they differ. */
const prefixes: Readonly<Record<string, string>> = { elbv2: 'elasticloadbalancing', autoscaling: 'application-autoscaling' };
const others: Readonly<Record<string, string>> = {
  'lambda:Invoke': 'lambda:InvokeFunction',
  's3:ListObjectsV2': 's3:ListBucket',
  's3:HeadObject': 's3:GetObject',
};
/** Everybody may. */
const free = ['sts:GetCallerIdentity'];

function granted(): string[] {
  const app = testApp();
  const made = system({}, app);
  const people = new Stack(app, 'people');
  made.grantOperate(new iam.Role(people, 'Operators', { assumedBy: new iam.AccountRootPrincipal() }));
  return Object.values(resources(people, 'AWS::IAM::Policy')).flatMap(({ Properties }) =>
    (Properties.PolicyDocument.Statement as { Action: string | string[] }[]).flatMap(({ Action }) => Action),
  );
}

/** Rights that somebody who has no others would have missed. */
export function missedBy(calls: Iterable<string>): string[] {
  const allowed = granted().map((action) => new RegExp(`^${action.replaceAll('*', '.*')}$`));
  const needed = [...calls].map((call) => {
    const [service = '', operation = ''] = call.split(' ');
    const action = `${prefixes[service] ?? service}:${operation}`;
    return others[action] ?? action;
  });
  return [...new Set(needed)].filter((action) => !free.includes(action) && !allowed.some((pattern) => pattern.test(action))).sort();
}
