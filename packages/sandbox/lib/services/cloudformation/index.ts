/** CloudFormation: what the CDK CLI calls, with the interpreter behind it. docs/sandbox/cloudformation.md says how far it goes. */
import { randomUUID } from 'node:crypto';
import type {
  ContinueUpdateRollbackInput,
  CreateChangeSetInput,
  CreateStackInput,
  DeleteStackInput,
  UpdateStackInput,
} from '@aws-sdk/client-cloudformation';
import { AwsError, type Sandbox, type Service } from '../../service';
import { page, parameterOutput, summary } from './answers';
import { Engine } from './engine';
import { plan } from './plan';
import { queries } from './queries';
import type { ChangeSet, Properties, Stack, Tag, Target } from './records';
import { findType } from './resources';
import { Store } from './store';
import { invalid, parseTemplate, resolveParameters, type Submission, templateBody } from './template';
import type { ResourceType } from './type';

const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set.";
const updatable = /^(CREATE_COMPLETE|UPDATE_COMPLETE|UPDATE_ROLLBACK_COMPLETE|UPDATE_FAILED|CREATE_FAILED|IMPORT_COMPLETE)$/;

export const cloudformation = (sandbox: Sandbox): Service => {
  const store = new Store(sandbox);
  const typeOf = (name: string): ResourceType => {
    const type = findType(name);
    if (!type)
      throw invalid(
        `Template format error: Unrecognized resource types: [${name}] (docs/sandbox/cloudformation.md lists what the sandbox serves)`,
      );
    return type;
  };
  const engine = new Engine(sandbox, store, typeOf);

  const newStack = (
    name: string,
    status: string,
    input: { RoleARN?: string | undefined; EnableTerminationProtection?: boolean | undefined },
  ): Stack => {
    if (!/^[A-Za-z][A-Za-z0-9-]{0,127}$/.test(name))
      throw invalid(
        `1 validation error detected: Value '${name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*`,
      );
    const stack: Stack = {
      id: sandbox.arn('cloudformation', `stack/${name}/${randomUUID()}`),
      name,
      status,
      created: new Date(),
      terminationProtection: input.EnableTerminationProtection ?? false,
      disableRollback: false,
      ...(input.RoleARN ? { roleArn: input.RoleARN } : {}),
      outputs: [],
      imports: [],
      cleanup: [],
    };
    return store.stacks.set(stack.id, stack);
  };

  /** What was submitted, read and checked as far as can be without touching anything. */
  const submitted = async (input: Submission, stack: Stack | undefined): Promise<Target> => {
    const body = input.UsePreviousTemplate ? stack?.target?.body : await templateBody(sandbox, input as Properties);
    if (!body) throw invalid('Either Template URL or Template Body must be specified.');
    const template = parseTemplate(body);
    const unknown = [...new Set(Object.values(template.Resources).map((resource) => resource.Type))].filter((type) => !findType(type));
    if (unknown.length > 0) typeOf(unknown.join(', '));
    const parameters = await resolveParameters(sandbox, template, input.Parameters ?? [], stack?.target?.parameters ?? []);
    return {
      body,
      parameters,
      tags: (input.Tags ?? stack?.target?.tags ?? []) as Tag[],
      capabilities: input.Capabilities ?? [],
      notificationArns: input.NotificationARNs ?? stack?.target?.notificationArns ?? [],
    };
  };

  /** The changes of resources, and whether anything at all would change. */
  const changesOf = async (stack: Stack, target: Target): Promise<{ changes: Properties[]; any: boolean }> => {
    const resources = store.resourceMap(stack);
    const template = parseTemplate(target.body);
    const lookup = {
      sandbox,
      template,
      parameters: target.parameters,
      stack,
      notificationArns: target.notificationArns,
      imported: (name: string) => store.exportNamed(name),
      outputOf: store.outputOf,
    };
    const changes = await plan({ lookup, template, resources, type: typeOf });
    const outputs = stack.target ? JSON.stringify(parseTemplate(stack.target.body).Outputs ?? {}) : '';
    const outputsDiffer = outputs !== JSON.stringify(template.Outputs ?? {}) || parametersOfOutputsDiffer(stack, target);
    const tagsDiffer = JSON.stringify(stack.target?.tags ?? []) !== JSON.stringify(target.tags);
    return { changes, any: changes.length > 0 || outputsDiffer || tagsDiffer };
  };

  /** Runs the create or update; `stack` is in the state that the caller has checked. */
  const execute = (stack: Stack, target: Target, kind: 'CREATE' | 'UPDATE'): void => {
    if (kind === 'CREATE') stack.target = target;
    engine.begin(stack, () => (kind === 'CREATE' ? engine.create(stack) : engine.update(stack, target)));
  };

  const requireUpdatable = (stack: Stack): void => {
    if (!updatable.test(stack.status)) throw invalid(`Stack:${stack.id} is in ${stack.status} state and can not be updated.`);
  };

  const dropChangeSets = (stack: Stack): void => {
    for (const set of store.changeSets.values()) if (set.stackId === stack.id) store.changeSets.delete(set.id);
  };

  return {
    client: 'client-cloudformation',

    start: async () => engine.recover(),
    stop: () => engine.stop(),

    handlers: {
      async CreateStack(input: CreateStackInput) {
        const name = input.StackName!;
        if (store.find(name)) throw new AwsError('AlreadyExistsException', `Stack [${name}] already exists`);
        const target = await submitted(input, undefined);
        const stack = newStack(name, 'CREATE_IN_PROGRESS', input);
        try {
          await changesOf(stack, target);
        } catch (error) {
          store.stacks.delete(stack.id);
          throw error;
        }
        stack.disableRollback = input.DisableRollback ?? input.OnFailure === 'DO_NOTHING';
        execute(stack, target, 'CREATE');
        return { StackId: stack.id };
      },

      async UpdateStack(input: UpdateStackInput) {
        const stack = store.require(input.StackName!);
        requireUpdatable(stack);
        const target = await submitted(input, stack);
        if (!(await changesOf(stack, target)).any && stack.status !== 'UPDATE_FAILED') throw invalid('No updates are to be performed.');
        stack.disableRollback = input.DisableRollback ?? false;
        if (input.RoleARN) stack.roleArn = input.RoleARN;
        execute(stack, target, 'UPDATE');
        return { StackId: stack.id };
      },

      async CreateChangeSet(input: CreateChangeSetInput) {
        const existing = store.find(input.StackName!);
        const type = input.ChangeSetType ?? 'UPDATE';
        if (type === 'IMPORT') throw invalid('The sandbox does not import resources into stacks.');
        if (type === 'CREATE' && existing && existing.status !== 'REVIEW_IN_PROGRESS')
          throw invalid(`Stack [${existing.name}] already exists and cannot be created again with the changeSet [${input.ChangeSetName}].`);
        if (type === 'UPDATE') {
          if (!existing) throw invalid(`Stack [${input.StackName}] does not exist`);
          requireUpdatable(existing);
        }
        if (existing && store.changeSets.values().some((set) => set.stackId === existing.id && set.name === input.ChangeSetName))
          throw new AwsError(
            'AlreadyExistsException',
            `ChangeSet ${input.ChangeSetName} cannot be created due to a mismatch with existing attribute Name`,
          );
        const target = await submitted(input, existing);
        const stack = existing ?? newStack(input.StackName!, 'REVIEW_IN_PROGRESS', input);
        if (!existing) store.status(stack, 'REVIEW_IN_PROGRESS', 'User Initiated');
        let failure: string | undefined;
        let changes: Properties[] = [];
        try {
          const found = await changesOf(stack, target);
          changes = found.changes;
          if (!found.any) failure = noChanges;
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          failure = error.message;
        }
        const id = sandbox.arn('cloudformation', `changeSet/${input.ChangeSetName}/${randomUUID()}`);
        const set: ChangeSet = {
          id,
          name: input.ChangeSetName!,
          stackId: stack.id,
          stackName: stack.name,
          type,
          ...(input.Description ? { description: input.Description } : {}),
          created: new Date(),
          target,
          disableRollback: input.OnStackFailure === 'DO_NOTHING',
          ...(input.RoleARN ? { roleArn: input.RoleARN } : {}),
          status: failure ? 'FAILED' : 'CREATE_COMPLETE',
          executionStatus: failure ? 'UNAVAILABLE' : 'AVAILABLE',
          ...(failure ? { reason: failure } : {}),
          changes,
        };
        store.changeSets.set(id, set);
        return { Id: id, StackId: stack.id };
      },

      DescribeChangeSet(input: { ChangeSetName?: string; StackName?: string; NextToken?: string }) {
        const set = store.changeSet(input.ChangeSetName!, input.StackName);
        const [changes, next] = page(set.changes, input.NextToken);
        return {
          ...summary(set),
          Parameters: set.target.parameters.map(parameterOutput),
          Tags: set.target.tags,
          Capabilities: set.target.capabilities,
          NotificationARNs: set.target.notificationArns,
          IncludeNestedStacks: false,
          Changes: changes,
          ...next,
        };
      },

      ListChangeSets: (input: { StackName?: string }) => {
        const stack = store.require(input.StackName!);
        return {
          Summaries: store.changeSets
            .values()
            .filter((set) => set.stackId === stack.id)
            .map(summary),
        };
      },

      DeleteChangeSet(input: { ChangeSetName?: string; StackName?: string }) {
        try {
          store.changeSets.delete(store.changeSet(input.ChangeSetName!, input.StackName).id);
        } catch (error) {
          // deleting by name what is not there succeeds on AWS; an ARN, or a stack, that is not there does not.
          if (!(error instanceof AwsError) || input.ChangeSetName!.startsWith('arn:')) throw error;
          if (input.StackName) store.require(input.StackName);
        }
        return {};
      },

      ExecuteChangeSet(input: { ChangeSetName?: string; StackName?: string; DisableRollback?: boolean }) {
        const set = store.changeSet(input.ChangeSetName!, input.StackName);
        if (set.executionStatus !== 'AVAILABLE')
          throw new AwsError('InvalidChangeSetStatus', `ChangeSet [${set.id}] cannot be executed in its current status of [${set.status}]`);
        const stack = store.require(set.stackId);
        if (set.type === 'UPDATE') requireUpdatable(stack);
        stack.disableRollback = input.DisableRollback ?? set.disableRollback;
        if (set.roleArn) stack.roleArn = set.roleArn;
        // AWS drops the other change sets of a stack when one of them is executed, and this one when it is done.
        dropChangeSets(stack);
        execute(stack, set.target, set.type);
        return {};
      },

      DeleteStack(input: DeleteStackInput) {
        const stack = store.find(input.StackName!);
        if (!stack || stack.status === 'DELETE_COMPLETE') return {};
        if (stack.terminationProtection) throw invalid(`Stack [${stack.name}] cannot be deleted while TerminationProtection is enabled`);
        if (/_IN_PROGRESS$/.test(stack.status) && stack.status !== 'REVIEW_IN_PROGRESS') {
          if (stack.status === 'DELETE_IN_PROGRESS') return {};
          throw invalid(`Stack:${stack.id} is in ${stack.status} state and can not be deleted.`);
        }
        if (input.RetainResources?.length && stack.status !== 'DELETE_FAILED')
          throw invalid('Invalid operation on stack. RetainResources can only be specified when the stack is in the DELETE_FAILED state.');
        dropChangeSets(stack);
        engine.begin(stack, () => engine.delete(stack, input.RetainResources));
        return {};
      },

      ContinueUpdateRollback(input: ContinueUpdateRollbackInput) {
        const stack = store.require(input.StackName!);
        if (stack.status !== 'UPDATE_ROLLBACK_FAILED')
          throw invalid(`Stack:${stack.id} is in ${stack.status} state and can not continue rollback.`);
        engine.begin(stack, () => engine.rollbackUpdate(stack, 'User Initiated', input.ResourcesToSkip));
        return {};
      },

      RollbackStack(input: { StackName?: string }) {
        const stack = store.require(input.StackName!);
        if (stack.status === 'CREATE_FAILED') engine.begin(stack, () => engine.rollbackCreate(stack, 'User Initiated'));
        else if (stack.status === 'UPDATE_FAILED') engine.begin(stack, () => engine.rollbackUpdate(stack, 'User Initiated'));
        else throw invalid(`Stack:${stack.id} is in ${stack.status} state and can not be rolled back.`);
        return { StackId: stack.id };
      },

      UpdateTerminationProtection(input: { StackName?: string; EnableTerminationProtection?: boolean }) {
        const stack = store.require(input.StackName!);
        stack.terminationProtection = input.EnableTerminationProtection ?? false;
        store.stacks.set(stack.id, stack);
        return { StackId: stack.id };
      },

      ...queries(sandbox, store),
    },
  };
};

function parametersOfOutputsDiffer(stack: Stack, target: Target): boolean {
  if (!stack.target) return true;
  const outputs = JSON.stringify(parseTemplate(target.body).Outputs ?? {});
  return target.parameters.some(
    (parameter) =>
      outputs.includes(parameter.key) &&
      stack.target!.parameters.find((before) => before.key === parameter.key)?.resolved !== parameter.resolved,
  );
}
