import { onceMore, say, withRedis } from '../bench.js';
import type { Scale } from '../bench.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';
import type { HttpRequest } from '../order.js';
import { allGood, requestsWith, RunningServer } from '../running-server.js';
import type { Ground } from '../library.js';

/** More users than the cache of decrypted records holds, so that the test also evicts records. */
const USERS = 20_000;
const MEGABYTE = 1_048_576;

/** Measures the growth of the heap over very many guarded requests. */
export async function soakSuite({ soak, seconds }: Scale): Promise<Findings> {
  say(`  soak, ${soak.toLocaleString('en')} requests`);
  const burst = Math.max(2, seconds) * 2;
  const grown = await withRedis((redis) =>
    onceMore('soak', () => growth({ redis: redis?.url }, soak, burst)),
  );
  const label = `heap growth over ${soak.toLocaleString('en')} guarded requests of ${USERS.toLocaleString('en')} users`;
  return {
    figures: figuresFor('soak')('heap', label, [grown], { unit: 'MB', goal: { atMost: 20 } }),
  };
}

function growth(ground: Ground, count: number, seconds: number): Promise<number> {
  return RunningServer.with(
    { stack: 'guarded', ground, execArgv: ['--expose-gc'] },
    async (server) => {
      const requests = requestsWith(await server.credentials(USERS));
      await send(server, requests, USERS, seconds); // bounded caches are full now
      const before = await server.heldMemory();
      await send(server, requests, count, seconds);
      return ((await server.heldMemory()) - before) / MEGABYTE;
    },
  );
}

async function send(
  server: RunningServer,
  requests: HttpRequest[],
  count: number,
  seconds: number,
): Promise<void> {
  for (let responses = 0; responses < count;)
    responses += allGood(await server.measure(requests, seconds)).responses;
}
