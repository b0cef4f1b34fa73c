/** A small system for tests: every kind of part once, without bundling the functions. */
import 'aws-cdk-lib/testhelpers/jest-autoclean';
import { Template } from 'aws-cdk-lib/assertions';
import { ContainerImage } from 'aws-cdk-lib/aws-ecs';
import { App, type Stack } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { Switchback, type SwitchbackProps } from '../../lib';

export const v1 = { version: '1.0.0', commit: 'aaaa111' };
export const v2 = { version: '2.0.0', commit: 'bbbb222' };

export const smallProps: SwitchbackProps = {
  blue: v1,
  green: v2,
  window: 1,
  image: ({ version }) => ContainerImage.fromRegistry(`shop:${version}`),
  applications: [
    { name: 'player', paths: ['/watch/*'], open: true, proofPath: '/watch/release' },
    { name: 'site', paths: ['/*'], proofPath: '/release', command: ['node', 'server.js'] },
  ],
  workers: [
    { name: 'queue', count: 2, scaling: { min: 1, max: 4 } },
    { name: 'clock', once: true },
  ],
  migration: { expand: ['migrate', 'expand'], contract: ['migrate', 'contract'] },
};

export function system(props: Partial<SwitchbackProps> = {}, scope: Construct = testApp()): Switchback {
  return new Switchback(scope, 'shop', { ...smallProps, ...props });
}

let made: Switchback | undefined;
/** The small system as it is, made once: to look at, not to change. */
export const standard = (): Switchback => {
  made ??= system();
  return made;
};

/** Functions are not bundled: their content is of no interest here. */
export const testApp = (): App =>
  new App({
    analyticsReporting: false,
    context: { 'aws:cdk:bundling-stacks': [], '@aws-cdk/core:defaultCrossStackReferences': 'strong' },
  });

// biome-ignore lint/suspicious/noExplicitAny: templates are any JSON.
export type Json = any;

export function resources(stack: Stack, type: string): Record<string, Json> {
  return Template.fromStack(stack).findResources(type);
}

/** The only resource of a type. */
export function only(stack: Stack, type: string): Json {
  const found = Object.values(resources(stack, type));
  if (found.length !== 1) throw new Error(`${stack.node.id} has ${found.length} of ${type}`);
  return found[0];
}

/** A stack's part of the manifest, with every value that only a deploy knows as `<…>`. */
export function part(stack: Stack): Json {
  const { Value: value } = only(stack, 'AWS::SSM::Parameter').Properties;
  const text =
    typeof value === 'string'
      ? value
      : value['Fn::Join'][1].map((piece: Json) => (typeof piece === 'string' ? piece : token(piece))).join('');
  return JSON.parse(text);
}

const token = (piece: Json): string => `<${Object.values(piece).flat().join('.')}>`;
