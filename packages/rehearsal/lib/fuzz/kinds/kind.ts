import type { Draft } from '../draft';

/** Something that migrations do. It is planted into a window that others are in. */
export interface Kind {
  readonly name: string;
  readonly plant: (draft: Draft) => void;
}
