/** Order: what a resource needs comes before it, and everything else at the same time. */
import type { Evaluator } from './intrinsics';
import type { Template } from './records';
import { invalid } from './template';

/** For each resource that is in the stack, the logical ids it needs. Refuses circles and references to nothing. */
export function dependencies(template: Template, evaluator: Evaluator): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const [id, resource] of Object.entries(template.Resources)) {
    if (!evaluator.active(resource)) continue;
    const explicit = [resource.DependsOn ?? []].flat();
    const needed = new Set([...explicit, ...evaluator.references(resource.Properties)]);
    const resources = [...needed].filter((name) => name in template.Resources);
    const unknown = [...needed].filter(
      (name) => !(name in template.Resources) && !name.startsWith('AWS::') && !(name in (template.Parameters ?? {})),
    );
    if (unknown.length > 0)
      throw invalid(
        `Template format error: Unresolved resource dependencies [${unknown.join(', ')}] in the Resources block of the template`,
      );
    graph.set(id, resources);
  }
  // a resource left out by its condition is needed by nobody.
  for (const [id, needed] of graph)
    graph.set(
      id,
      needed.filter((name) => graph.has(name)),
    );
  refuseCircles(graph);
  return graph;
}

function refuseCircles(graph: Map<string, string[]>): void {
  const done = new Set<string>();
  const visit = (id: string, path: string[]): void => {
    if (done.has(id)) return;
    if (path.includes(id)) throw invalid(`Circular dependency between resources: [${path.slice(path.indexOf(id)).join(', ')}]`);
    for (const needed of graph.get(id) ?? []) visit(needed, [...path, id]);
    done.add(id);
  };
  for (const id of graph.keys()) visit(id, []);
}

/** The graph with its arrows turned: for deletion, what needs a resource goes first. */
export function reversed(graph: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const result = new Map<string, string[]>([...graph.keys()].map((id) => [id, []]));
  for (const [id, needed] of graph) for (const name of needed) result.get(name)?.push(id);
  return result;
}

/** Logical ids in an order in which each comes after what it needs. */
export function sorted(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const order = new Set<string>();
  const visit = (id: string): void => {
    if (order.has(id)) return;
    for (const needed of graph.get(id) ?? []) visit(needed);
    order.add(id);
  };
  for (const id of graph.keys()) visit(id);
  return [...order];
}

/**
 * Works through the graph, as much at the same time as the arrows allow. `work` answers whether it succeeded; what
 * depends on a failure is left out, and so is everything not yet begun once `halted` says so.
 */
export async function walk(
  graph: ReadonlyMap<string, readonly string[]>,
  work: (id: string) => Promise<boolean>,
  halted: () => boolean = () => false,
): Promise<void> {
  const running = new Map<string, Promise<boolean>>();
  for (const id of sorted(graph)) {
    running.set(
      id,
      (async () => {
        const needed = await Promise.all((graph.get(id) ?? []).map((name) => running.get(name)!));
        return needed.every(Boolean) && !halted() && (await work(id));
      })(),
    );
  }
  // every worker ends before an error is passed on: nothing may go on behind the caller's back.
  const ends = await Promise.allSettled(running.values());
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw (failure as PromiseRejectedResult).reason;
}
