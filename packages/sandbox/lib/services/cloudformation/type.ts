/** What a resource type is made of. One file per family of services is in resources/. */
import type { Sandbox } from '../../service';
import type { ServiceName } from '../../service-names';
import type { Properties, Tag } from './records';

/** A physical resource as a service answered it. */
export interface Made {
  /** What `Ref` gives, and what the resource is called from now on. */
  readonly id: string;
  /** What `Fn::GetAtt` gives; nested ones with a dot: `Endpoint.Address`. */
  readonly attributes?: Properties;
}

export interface ResourceType {
  /** Properties that cannot change in place: a change replaces the resource. */
  readonly createOnly: readonly string[];
  /** Replacement that depends on the values. */
  replaces?(before: Properties, after: Properties): boolean;
  create(properties: Properties, call: ResourceCall): Promise<Made>;
  /** Answers the resource after the change; another id means that it was replaced, and the old one is deleted afterwards. */
  update?(properties: Properties, call: ResourceCall, made: Made, before: Properties): Promise<Made>;
  delete(call: ResourceCall, made: Made, properties: Properties): Promise<void>;
  /** The deletion policy in force: a few types have their own rules. */
  deletionPolicy?(policy: string | undefined, properties: Properties): string | undefined;
}

/** One operation on one resource. */
export interface ResourceCall {
  readonly sandbox: Sandbox;
  readonly stack: { readonly id: string; readonly name: string };
  readonly logicalId: string;
  readonly type: string;
  /** The properties as they are stored: with references to secrets where the service gets the secrets. For attributes. */
  readonly stored: Properties;
  /** The base URL at which processes of the sandbox reach it. */
  readonly endpoint: string;
  /** Whether a deletion is to leave a snapshot. */
  readonly snapshot: boolean;
  /** Calls an operation with an input in the template's spelling. */
  // biome-ignore lint/suspicious/noExplicitAny: the shapes are per operation.
  send(service: ServiceName, operation: string, input: object): Promise<any>;
  /** `<stack>-<logical id>-<random>`, as CloudFormation names what has no name. */
  name(maximum: number): string;
  /** The tags of the resource, with those of the stack. */
  tags(own?: readonly Tag[]): Tag[];
  /** Says that the resource exists now, though it is not ready yet: it will be deleted if what follows fails. */
  started(id: string): void;
  /** Asks again every `every` AWS seconds until the answer is not undefined. Throws after `timeout`, or when the operation is cancelled. */
  until<T>(what: string, ask: () => Promise<T | undefined>, wait?: { every?: number; timeout?: number }): Promise<T>;
}

/** Whether any of the properties differ. */
export const changed = (before: Properties, after: Properties, ...names: string[]): boolean =>
  names.some((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));

/** Runs a deletion for which "it does not exist" is success. */
export async function gone(action: Promise<unknown>, ...codes: string[]): Promise<void> {
  try {
    await action;
  } catch (error) {
    const code = (error as Error).name;
    if (!codes.some((known) => code === known) && !/NotFound|NoSuch|ResourceNotFound|DoesNotExist/.test(code)) throw error;
  }
}

/** A type that the sandbox keeps no service for: it gets an id and attributes, and does nothing. */
export const inert = (make: (properties: Properties, call: ResourceCall) => Made, createOnly: readonly string[] = []): ResourceType => ({
  createOnly,
  create: async (properties, call) => make(properties, call),
  update: async (properties, call, made) => ({ ...made, attributes: { ...make(properties, call).attributes, ...made.attributes } }),
  delete: async () => undefined,
});
