import type { TestRedis } from './redis.js';

/** A slot of a cluster with its two masters, while it moves. */
export interface SlotMove {
  slot: number;
  from: TestRedis;
  to: TestRedis;
}

/**
 * Moves a slot as `redis-cli --cluster reshard` does.
 * @param halfway runs while the old master redirects requests for the keys that have moved with ASK
 */
export async function moveSlot(
  { slot, from, to }: SlotMove,
  halfway: () => Promise<void> = async () => {},
): Promise<void> {
  const [source, target] = await Promise.all([from, to].map((node) => node.run('CLUSTER', 'MYID')));
  await to.run('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', String(source));
  await from.run('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', String(target));
  const keys = await from.run('CLUSTER', 'GETKEYSINSLOT', String(slot), '1000');
  const names = (keys as unknown[]).map(String);
  if (names.length > 0)
    await from.run('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...names);
  try {
    await halfway();
  } finally {
    // also after a failure: the next trial moves slots of the same cluster
    for (const node of [to, from])
      await node.run('CLUSTER', 'SETSLOT', String(slot), 'NODE', String(target));
  }
}

/** How often a node has redirected a client: `ASK`, or `MOVED`. */
export async function redirectionsOf(node: TestRedis, kind: 'ASK' | 'MOVED'): Promise<number> {
  const stats = String(await node.run('INFO', 'errorstats'));
  return Number(new RegExp(`errorstat_${kind}:count=(\\d+)`).exec(stats)?.[1] ?? 0);
}
