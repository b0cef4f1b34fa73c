/** What the sandbox remembers of stacks, their resources, events and change sets. Plain JSON: it survives a restart. */

export type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };
// biome-ignore lint/suspicious/noExplicitAny: properties of resources have one shape per type; the service they go to checks them.
export type Properties = Record<string, any>;

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface Template {
  readonly Description?: string;
  readonly Parameters?: Record<string, ParameterDefinition>;
  readonly Mappings?: Record<string, Record<string, Record<string, Json>>>;
  readonly Conditions?: Record<string, Json>;
  readonly Resources: Record<string, ResourceDefinition>;
  readonly Outputs?: Record<string, OutputDefinition>;
}

export interface ParameterDefinition {
  readonly Type: string;
  readonly Default?: Json;
  readonly AllowedValues?: Json[];
  readonly AllowedPattern?: string;
  readonly MinLength?: number;
  readonly MaxLength?: number;
  readonly ConstraintDescription?: string;
  readonly Description?: string;
  readonly NoEcho?: boolean | string;
}

export interface ResourceDefinition {
  readonly Type: string;
  readonly Properties?: Properties;
  readonly DependsOn?: string | string[];
  readonly Condition?: string;
  readonly Metadata?: Json;
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}

export interface OutputDefinition {
  readonly Value: Json;
  readonly Description?: string;
  readonly Condition?: string;
  readonly Export?: { readonly Name: Json };
}

/** A parameter as it was given, and what it stands for (they differ for SSM parameter types). */
export interface Parameter {
  readonly key: string;
  readonly value: string;
  readonly resolved: string;
  readonly noEcho: boolean;
}

/** What a stack should be: the input of one create or update. */
export interface Target {
  /** The template exactly as it was sent: `GetTemplate` answers it, and updates are compared with it. */
  readonly body: string;
  readonly parameters: readonly Parameter[];
  readonly tags: readonly Tag[];
  readonly capabilities: readonly string[];
  readonly notificationArns: readonly string[];
}

export interface Output {
  readonly OutputKey: string;
  readonly OutputValue: string;
  readonly Description?: string;
  readonly ExportName?: string;
}

/** A resource that exists, or existed: one physical id. */
export interface Physical {
  readonly logicalId: string;
  readonly type: string;
  /** Undefined until the service has answered with one. */
  physicalId?: string;
  /** Resolved, except references to secrets, which stay text and never reach a file. */
  properties: Properties;
  attributes: Properties;
  /** Logical ids this one needs; what needs it is deleted first. */
  dependsOn: string[];
  deletionPolicy?: string;
  updateReplacePolicy?: string;
}

export interface Resource extends Physical {
  status: string;
  reason?: string;
  updated: Date;
  metadata?: string;
  /** Set while an update runs: how the resource was before, so that a roll-back can put it back. */
  before?: Physical & { status: string };
  /** Created by the update that runs, so a roll-back deletes it. */
  fresh?: boolean;
}

export interface Stack {
  readonly id: string;
  readonly name: string;
  status: string;
  reason?: string;
  readonly created: Date;
  updated?: Date;
  deleted?: Date;
  terminationProtection: boolean;
  disableRollback: boolean;
  roleArn?: string;
  /** What the stack is; absent before the first create (REVIEW_IN_PROGRESS). */
  target?: Target;
  /** What it was before the running, or failed, update. */
  previous?: Target;
  outputs: Output[];
  imports: string[];
  /** Old or unwanted physical resources, deleted at the end of an update. */
  cleanup: Physical[];
}

export interface StackEvent {
  readonly EventId: string;
  readonly StackId: string;
  readonly StackName: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId: string;
  readonly ResourceType: string;
  readonly Timestamp: Date;
  readonly ResourceStatus: string;
  readonly ResourceStatusReason?: string;
  readonly ResourceProperties?: string;
  readonly ClientRequestToken?: string;
}

export interface ChangeSet {
  readonly id: string;
  readonly name: string;
  readonly stackId: string;
  readonly stackName: string;
  readonly type: 'CREATE' | 'UPDATE';
  readonly description?: string;
  readonly created: Date;
  readonly target: Target;
  readonly disableRollback: boolean;
  readonly roleArn?: string;
  status: string;
  executionStatus: string;
  reason?: string;
  readonly changes: Properties[];
}
