/** How a system's stacks are named on the command line: `cdk deploy` knows them by their path in the app, `Prod/green` in a stage. */
import type { SharedPart } from './schema';

/** By its part of the system: `shared`, `green`, `fallback-w3`. Nothing deployed yet, or by an earlier version: at the root of its app. */
export const stackName = (manifest: { readonly shared: Pick<SharedPart, 'stackPath'> } | undefined, part: string): string =>
  stackAt(manifest?.shared.stackPath, part);

export const stackAt = (path: string | undefined, part: string): string => (path ? `${path}/${part}` : part);
