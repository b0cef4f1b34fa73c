/** The layout of roles that the fence rests on, in a system that was deployed before there was one; and the way back. */
import { done, type Step, todo } from '../engine/step';
import type { WindowView } from '../engine/window-view';
import { moveStrayGrants, rightsAsBefore, rightsHolder, rightsRole, separateRights, strayGrants } from '../postgres/access/roles';

const separate = 'database.rights';

/** Customers write all along: who may write changes for nobody. */
export function rightsSeparated(production: string): Step {
  let ours = false;
  return {
    id: separate,
    title: `Move the write permissions on ${production} to a role of their own`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const { roles } = context.manifest.shared.database;
      const holder = await rightsHolder(await context.database(production), roles);
      if (holder !== rightsRole(roles)) return todo(`'${holder}' has the rights and is what users are members of`);
      if ((await strayGrants(await context.database(production), roles)).length > 0)
        return todo(`'${roles.write}' was granted rights itself`);
      return done(`'${holder}' has the rights`, { ours: ours || context.view.facts(separate)?.['ours'] === true });
    },
    async act(context) {
      const { roles } = context.manifest.shared.database;
      const db = await context.database(production);
      if ((await rightsHolder(db, roles)) === rightsRole(roles)) return moveStrayGrants(db, roles);
      await separateRights(db, roles);
      ours = true;
    },
  };
}

/** Whether it was this window's stage that laid them out. */
export const separatedHere = ({ facts }: Pick<WindowView, 'facts'>): boolean => facts(separate)?.['ours'] === true;

export function rightsPutBack(production: string): Step {
  return {
    id: 'undo.rights',
    title: `Put the write permissions on ${production} back where they were`,
    estimateSeconds: 1,
    patienceSeconds: 60,
    async observe(context) {
      const { roles } = context.manifest.shared.database;
      const holder = await rightsHolder(await context.database(production), roles);
      return holder === roles.write ? done(`'${holder}' has the rights`) : todo();
    },
    async act(context) {
      await rightsAsBefore(await context.database(production), context.manifest.shared.database.roles);
    },
  };
}
