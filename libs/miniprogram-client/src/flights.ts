/** Calls that overlap share one run and its outcome. */
export function shared<T>(run: () => Promise<T>): () => Promise<T> {
  let flight: Promise<T> | undefined;
  function landed(): void {
    flight = undefined;
  }
  return () => {
    if (!flight) {
      flight = run();
      flight.then(landed, landed);
    }
    return flight;
  };
}

/** A lane: what is put into it runs one after the other, whatever became of the one before. */
export function lane(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const mine = last.then(run, run);
    last = mine;
    return mine;
  };
}
