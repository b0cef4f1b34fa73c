/** What a stack gives to others: its outputs and exports, and who uses them. */
import type { Evaluator } from './intrinsics';
import type { Output, Stack } from './records';
import type { Store } from './store';
import { invalid, parseTemplate } from './template';

/** Sets the outputs of a stack whose resources are as they should be. Throws AWS's error for an export that is taken or in use. */
export function setOutputs(store: Store, stack: Stack, evaluator: Evaluator): void {
  const outputs: Output[] = [];
  for (const [key, definition] of Object.entries(parseTemplate(stack.target!.body).Outputs ?? {})) {
    if (!evaluator.active(definition)) continue;
    const name = definition.Export ? evaluator.text(definition.Export.Name) : undefined;
    outputs.push({
      OutputKey: key,
      OutputValue: evaluator.text(definition.Value),
      ...(definition.Description ? { Description: definition.Description } : {}),
      ...(name ? { ExportName: name } : {}),
    });
  }
  for (const { ExportName: name } of outputs) {
    const other = store.exports().find((one) => one.Name === name && one.ExportingStackId !== stack.id);
    if (other) throw invalid(`Export with name ${name} is already exported by stack ${store.stacks.get(other.ExportingStackId)!.name}.`);
  }
  for (const { ExportName: name, OutputValue: value } of stack.outputs) {
    const users = name ? importersOf(store, name, stack) : '';
    const after = outputs.find((output) => output.ExportName === name);
    if (users && !after) throw invalid(`Delete canceled. Cannot delete export ${name} as it is in use by ${users}.`);
    if (users && after?.OutputValue !== value) throw invalid(`Cannot update export ${name} as it is in use by ${users}.`);
  }
  stack.outputs = outputs;
}

/** The names of the other stacks that import what this one exports. */
export function importersOf(store: Store, name: string, stack: Stack): string {
  return store
    .importers(name)
    .filter((user) => user.id !== stack.id)
    .map((user) => user.name)
    .join(', ');
}
