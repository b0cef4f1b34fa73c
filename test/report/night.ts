/** A journal to draw: windows of the video system, event by event. */

import type { EventBody, JournalEvent, PlannedStep, Verb, Window } from '../../lib/engine/events';
import { fold, type WindowView } from '../../lib/engine/window-view';
import type { Manifest } from '../../lib/manifest/schema';
import type { Style } from '../../lib/report/style';
import { colorPartOf, sharedPart } from '../_helpers/runbook';

export const plain: Style = { paint: (_format, text) => text, columns: 80, rows: 60, timeZone: 'UTC' };
/** Colors as words, to be seen in a literal. */
export const colored: Style = { ...plain, paint: (format, text) => `<${format}>${text}</>` };

/** A screen as a test writes it down: without the empty lines that a template begins and ends with. */
export const screen = (text: string): string[] => text.replace(/^\n|\n *$/g, '').split('\n');

export const w3: Window = {
  name: 'w3',
  system: 'video',
  from: 'blue',
  to: 'green',
  production: 'video-production',
  fallback: 'video-fallback-w3',
};

export const manifest: Manifest = {
  shared: { ...sharedPart, routingKey: { header: 'x-switchback', blue: 'blue', green: 'green' } },
  blue: { ...colorPartOf('blue', '1.0.0'), release: { version: '1.0.0', commit: '9f8e7d6c5b4a' } },
  green: { ...colorPartOf('green', '2.0.0'), release: { version: '2.0.0', commit: 'a1b2c3d4e5f6' } },
  fallbacks: {},
};

export const cutover: PlannedStep[] = [
  { id: 'stage.ready', title: 'Check that green is up, healthy and runs its release', estimateSeconds: 5 },
  { id: 'traffic.maintenance', title: 'Turn the maintenance page on', estimateSeconds: 2 },
  { id: 'workers.stop', title: "Stop blue's workers and prove them stopped", estimateSeconds: 40 },
  { id: 'fallback.promote', title: 'Promote video-fallback-w3: it becomes a database of its own', estimateSeconds: 240 },
  { id: 'migrations', title: 'Run the migrations of 2.0.0', estimateSeconds: 120 },
  { id: 'database.open', title: 'Open video-production to green, and only to green', estimateSeconds: 1, pointOfLoss: true },
  { id: 'gate.go', title: 'Landing tests (by the business), then go or no-go', estimateSeconds: 600 },
  { id: 'watch', title: 'Watch green for 3600 s', estimateSeconds: 3600 },
];

export const ana = { who: 'Ana', where: 'ana@laptop' };
export const began = Date.parse('2026-03-01T02:00:00Z');

/** Writes events, each some seconds after the beginning. */
export class Night {
  readonly events: JournalEvent[] = [];

  constructor(readonly window: Window = w3) {
    this.add(-60, { type: 'window.opened', window, manifest, state: { production: window.production, opened: window.from !== undefined } });
  }

  add(second: number, body: EventBody, run = 'run-1'): this {
    const at = new Date(began + second * 1000).toISOString();
    this.events.push({ ...body, number: this.events.length + 1, at, run, by: ana, nonce: 'n' });
    return this;
  }

  start(second: number, verb: Verb = 'cutover', plan = cutover, run = 'run-1'): this {
    return this.add(second, { type: 'run.started', verb, plan, runner: 'video-runner' }, run);
  }

  /** A step from begin to end. */
  step(from: number, to: number, step: string, detail?: string): this {
    this.add(from, { type: 'step.started', step });
    return this.add(to, { type: 'step.done', step, seconds: to - from, acted: true, ...(detail === undefined ? {} : { detail }) });
  }

  get view(): WindowView {
    const view = fold(this.events);
    if (!view) throw new Error('no window');
    return view;
  }
}
