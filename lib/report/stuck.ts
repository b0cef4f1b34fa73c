/** A step that takes longer than it should says why, whole: what was expected and is not so, since when, and when it gives up. */
import type { PlannedStep } from '../engine/events';
import type { StepRecord } from '../engine/window-view';
import { clockTime, type Style } from './style';

/** Much longer than it takes, and not only by a moment. */
export const isLate = ({ estimateSeconds }: Pick<PlannedStep, 'estimateSeconds'>, took: number): boolean =>
  took > estimateSeconds * 1.5 && took - estimateSeconds > 5;

/** What the step has said last, in its last line. */
export const lastSaid = (record: StepRecord | undefined): string | undefined => record?.says?.text.split('\n').at(-1);

/** `so since 02:05:10; gives up at 02:15:05` */
export function sinceText({ patienceSeconds }: PlannedStep, record: StepRecord | undefined, style: Style): string {
  const since = record?.says && `so since ${clockTime(record.says.at, style)}`;
  const started = record?.startedAt;
  const until =
    started !== undefined && patienceSeconds !== undefined
      ? `gives up at ${clockTime(Date.parse(started) + patienceSeconds * 1000, style)}`
      : undefined;
  return [since, until].filter((text) => text !== undefined).join('; ');
}
