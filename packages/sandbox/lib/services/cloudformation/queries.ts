/** What can be asked of stacks, their resources, events, templates and exports. */
import type { GetTemplateInput } from '@aws-sdk/client-cloudformation';
import type { Handler, Sandbox } from '../../service';
import { described, page, resourceOutput, stackOutput } from './answers';
import type { Properties, Resource, StackEvent } from './records';
import type { Store } from './store';
import { invalid, type Submission, templateBody } from './template';

export const queries = (sandbox: Sandbox, store: Store): Record<string, Handler> => ({
  DescribeStacks(input: { StackName?: string; NextToken?: string }) {
    if (input.StackName) return { Stacks: [stackOutput(store.require(input.StackName))] };
    const [stacks, next] = page(
      store.stacks.values().filter((stack) => stack.status !== 'DELETE_COMPLETE'),
      input.NextToken,
    );
    return { Stacks: stacks.map(stackOutput), ...next };
  },

  ListStacks(input: { StackStatusFilter?: string[]; NextToken?: string }) {
    const found = store.stacks.values().filter((stack) => !input.StackStatusFilter || input.StackStatusFilter.includes(stack.status));
    const [stacks, next] = page(found.reverse(), input.NextToken);
    return {
      StackSummaries: stacks.map(({ ...stack }) => {
        const { StackId, StackName, CreationTime, LastUpdatedTime, DeletionTime, StackStatus, StackStatusReason } = stackOutput(stack);
        return { StackId, StackName, CreationTime, LastUpdatedTime, DeletionTime, StackStatus, StackStatusReason };
      }),
      ...next,
    };
  },

  DescribeStackEvents(input: { StackName?: string; NextToken?: string }) {
    const stack = store.find(input.StackName!);
    if (!stack) throw invalid(`Stack [${input.StackName}] does not exist`);
    const [events, next] = page<StackEvent>(store.events(stack).values().reverse(), input.NextToken);
    return { StackEvents: events, ...next };
  },

  /** Events of the newer API: the sandbox has no hooks and no early validation, so nothing to tell. */
  DescribeEvents: () => ({ OperationEvents: [] }),

  DescribeStackResources(input: { StackName?: string; LogicalResourceId?: string; PhysicalResourceId?: string }) {
    const stack = input.StackName
      ? store.require(input.StackName)
      : store.stacks.values().find((one) =>
          store
            .resources(one)
            .values()
            .some((resource) => resource.physicalId === input.PhysicalResourceId),
        );
    if (!stack) throw invalid(`Stack for ${input.PhysicalResourceId} does not exist`);
    const wanted = (resource: Resource): boolean => !input.LogicalResourceId || resource.logicalId === input.LogicalResourceId;
    return {
      StackResources: store
        .resources(stack)
        .values()
        .filter(wanted)
        .map((resource) => ({ ...resourceOutput(stack, resource), Timestamp: resource.updated })),
    };
  },

  DescribeStackResource(input: { StackName?: string; LogicalResourceId?: string }) {
    const stack = store.require(input.StackName!);
    const resource = store.resources(stack).get(input.LogicalResourceId!);
    if (!resource) throw invalid(`Resource ${input.LogicalResourceId} does not exist for stack ${stack.name}`);
    return {
      StackResourceDetail: { ...resourceOutput(stack, resource), LastUpdatedTimestamp: resource.updated, Metadata: resource.metadata },
    };
  },

  ListStackResources(input: { StackName?: string; NextToken?: string }) {
    const stack = store.require(input.StackName!);
    const [resources, next] = page(store.resources(stack).values(), input.NextToken);
    return {
      StackResourceSummaries: resources.map((resource) => ({
        ...resourceOutput(stack, resource),
        LastUpdatedTimestamp: resource.updated,
      })),
      ...next,
    };
  },

  GetTemplate(input: GetTemplateInput) {
    if (input.ChangeSetName) return { TemplateBody: store.changeSet(input.ChangeSetName, input.StackName).target.body };
    const stack = store.require(input.StackName!);
    return { TemplateBody: stack.target?.body ?? '{}', StagesAvailable: ['Original', 'Processed'] };
  },

  async GetTemplateSummary(input: Submission & { StackName?: string }) {
    const body = input.StackName
      ? (store.require(input.StackName).target?.body ?? '{"Resources":{"None":{"Type":"None"}}}')
      : await templateBody(sandbox, input as Properties);
    return described(body ?? '');
  },

  async ValidateTemplate(input: Submission) {
    return described((await templateBody(sandbox, input as Properties)) ?? '');
  },

  ListExports: (input: { NextToken?: string }) => {
    const [exports, next] = page([...store.exports()], input.NextToken);
    return { Exports: exports, ...next };
  },

  ListImports: (input: { ExportName?: string }) => {
    const importers = store.importers(input.ExportName!);
    if (importers.length === 0) throw invalid(`Export '${input.ExportName}' is not imported by any stack.`);
    return { Imports: importers.map((stack) => stack.name) };
  },
});
