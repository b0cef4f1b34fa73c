/** The two words that an app says of a release. Written out, so that the package's types need no zod (schema.ts reads the same shapes). */

/** One full set of the system's tasks, with its own release. */
export type Color = 'blue' | 'green';

/** What a color runs. */
export interface Release {
  /** What people call it: `2.0.0`. Every answer of an application carries it in the header `x-release`. */
  readonly version: string;
  /** The git commit that was built. Every answer carries it in the header `x-commit`. */
  readonly commit: string;
}
