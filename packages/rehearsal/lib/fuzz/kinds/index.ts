/** Everything that a random migration is made of. */
import { columnKinds } from './columns';
import { dependentKinds } from './dependents';
import { keyKinds } from './keys';
import type { Kind } from './kind';
import { nameKinds } from './names';
import { partKinds } from './parts';
import { rowKinds } from './rows';
import { ruleKinds } from './rules';
import { tableKinds } from './tables';
import { typeKinds } from './types';

export { hazards } from './hazards';
export type { Kind } from './kind';

export const kinds: readonly Kind[] = [
  ...[columnKinds, tableKinds, typeKinds, keyKinds, rowKinds, nameKinds, dependentKinds, partKinds, ruleKinds].flat(),
];
