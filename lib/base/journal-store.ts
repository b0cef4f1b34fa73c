/** Where a window's journal is kept, and how often that is tried. */

/** Where events are kept. lib/aws/journal-store.ts keeps them in S3. */
export interface JournalStore {
  /** Creates event `number`; answers false when it exists already. Never overwrites. */
  create(window: string, number: number, event: string): Promise<boolean>;
  /** The events from `from` on, in order, without a gap. */
  read(window: string, from: number): Promise<string[]>;
  /** Keeps a text beside the events, over what was there under that name; answers where people find it. */
  keep(window: string, name: string, text: string): Promise<string>;
  /** Names of all windows, oldest first. */
  windows(): Promise<string[]>;
}

/** Pauses before a write or the first read that failed is tried again. Whoever takes the window meanwhile writes, which the next try finds out. */
export const retryMs = [250, 500, 1000, 2000, 4000] as const;
