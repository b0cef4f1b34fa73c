/**
 * Chains of changes side by side, to the end of each: one that fails leaves no other under way, which would go on to its next call
 * when its run has stopped and nobody asks any more whether the window is still its own.
 * @throws what the first of them failed with
 */
export async function together(chains: readonly Promise<unknown>[]): Promise<void> {
  for (const end of await Promise.allSettled(chains)) if (end.status === 'rejected') throw end.reason;
}
