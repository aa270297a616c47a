/**
 * Runs `work` for every item, for at most `atOnce` items at the same time. After a failure no further item begins, and the call ends when no
 * item is under way.
 * @throws the first error of `work`
 */
export async function inParallel<Item, Result>(
  items: Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const left = items.entries();
  const errors: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (const [number, item] of left) {
      if (errors.length > 0) return;
      results[number] = await work(item);
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, () =>
    worker().catch((error: unknown) => void errors.push(error)),
  );
  await Promise.all(workers);
  if (errors.length > 0) throw errors[0];
  return results;
}
