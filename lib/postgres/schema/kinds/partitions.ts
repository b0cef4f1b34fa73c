/** A table that is partitioned now, or no longer. */
import type { Kind } from './kind';

export const partitions: Kind = {
  table({ plan: { old, now }, say }) {
    if (old.partitioned !== now.partitioned)
      say(
        `${old.name}:partitioned`,
        'carried',
        `${old.name} is ${now.partitioned ? '' : 'no longer '}partitioned; its rows travel as those of one table`,
      );
    return undefined;
  },
};
