/** What a signal ends. */
const actions = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Runs `action` when the signal aborts, until the function that it gives is called. A signal has one listener for all of
 * its actions: Node.js warns of more than a few.
 */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (!signal) return () => {};
  const ofSignal = actions.get(signal) ?? new Set();
  actions.set(signal, ofSignal.add(action));
  // The same listener again is none.
  signal.addEventListener("abort", runAll);
  return () => {
    if (ofSignal.delete(action) && ofSignal.size === 0) signal.removeEventListener("abort", runAll);
  };
}

function runAll({ target }: Event): void {
  for (const action of actions.get(target as AbortSignal) ?? []) action();
}
