/** What a plan is made from: the frozen manifest, the window's journal, and what is so right now. */

import type { Aws } from '../aws';
import type { Window } from '../engine/events';
import { databaseOpened, forkMade, migrationsBegun } from '../engine/milestones';
import type { WindowView } from '../engine/window-view';
import type { Color, Manifest } from '../manifest/schema';
import { whereNow } from '../manifest/traffic';

export interface World {
  readonly window: Window;
  readonly manifest: Manifest;
  readonly view: WindowView;
  /** The color whose rules are in front; undefined when some have moved and others have not, or nobody is live. */
  readonly live: Color | undefined;
  /** Whether the maintenance answer is in front. */
  readonly maintenance: boolean | undefined;
  /** The production database as the state parameter has it now. */
  readonly production: string;
}

/** How far a window got, told by what was begun: the journal is written ahead of every change. */
export interface Progress {
  readonly forked: boolean;
  readonly migrated: boolean;
  /** The migrated database was opened to the new color. */
  readonly opened: boolean;
  readonly rolledBack: boolean;
}

/** Forked ahead and fed, where the system was deployed with a feed; inside the window otherwise. */
export const forkOf = ({ manifest }: Pick<World, 'manifest'>): 'ahead' | 'window' =>
  manifest.shared.database.feedSecret === undefined ? 'window' : 'ahead';

export const progressOf = ({ view }: World): Progress => ({
  forked: forkMade(view),
  migrated: migrationsBegun(view),
  opened: databaseOpened(view),
  rolledBack: view.series.rollback !== undefined,
});

/** Whose a snapshot or a copy is: the window of that name that was opened then, as a system may have been taken down and made anew. */
export const madeFor = ({ window: { system, name }, openedAt }: Pick<WindowView, 'window' | 'openedAt'>): string =>
  `${system}/${name}/${openedAt}`;

/** What is so right now, for a window. */
export async function observeWorld(aws: Aws, view: WindowView): Promise<World> {
  const [order, state] = await Promise.all([aws.traffic.order(view.manifest), aws.settings.state(view.window.system)]);
  const { live, maintenance } = whereNow(view.manifest, order);
  return { window: view.window, manifest: view.manifest, view, live, maintenance, production: state?.production ?? view.window.production };
}
