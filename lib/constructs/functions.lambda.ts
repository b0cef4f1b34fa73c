/** Every function of Switchback, by the name its stack calls it: one file, which is bundled once and uploaded once. */
export { handler as runner } from '../operations/runner.lambda';
export { handler as database } from './handlers/database.lambda';
export { handler as guard } from './handlers/guard.lambda';
export { handler as rules } from './handlers/rules.lambda';
export { handler as source } from './handlers/source.lambda';
export { handler as waking } from './handlers/waking.lambda';
export { handler as workers } from './handlers/workers.lambda';
