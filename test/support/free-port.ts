import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Linux gives ports from 32768 on to clients and to `listen(0)`. These are lower, and each worker of jest has its own, so no other socket
 * takes one between the return of `freePort` and the start of the server.
 */
const FIRST = 20_000;
const PORTS_PER_WORKER = 1_000;
const WORKERS = 12;

const firstOfWorker =
  FIRST + (Number(process.env['JEST_WORKER_ID'] ?? 0) % WORKERS) * PORTS_PER_WORKER;
let next = randomInt(PORTS_PER_WORKER);

/** Returns a port on which no server listens. It never returns a port twice to the same spec. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS_PER_WORKER; tries++) {
    const port = firstOfWorker + (next++ % PORTS_PER_WORKER);
    if (await isFree(port)) return port;
  }
  throw new Error(`All ports from ${firstOfWorker} on are in use.`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
