/** Returns a function whose overlapping calls share one run and its result. */
export function singleFlight<T>(run: () => Promise<T>): () => Promise<T> {
  let pending: Promise<T> | undefined;
  function settled(): void {
    pending = undefined;
  }
  return () => {
    if (!pending) {
      pending = run();
      pending.then(settled, settled);
    }
    return pending;
  };
}

/** Returns a queue that runs functions one after the other. A failure does not stop the queue. */
export function serialQueue(): <T>(run: () => T | Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const next = last.then(run, run);
    last = next;
    return next;
  };
}
