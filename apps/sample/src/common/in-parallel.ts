import { bulkhead } from 'cockatiel';

/** Runs `work` for every item, for at most `atOnce` items at the same time. */
export function inParallel<Item, Result>(
  items: Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const limit = bulkhead(atOnce, Infinity);
  return Promise.all(items.map((item) => limit.execute(() => work(item))));
}
