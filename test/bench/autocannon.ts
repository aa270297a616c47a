import autocannon from 'autocannon';
import { serveTasks } from './child.js';
import { CONNECTIONS } from './order.js';
import type { Load, Order } from './order.js';

/** Runs a load generator in its own process, so that its CPU time is not counted as the server's. */
serveTasks({ run });

async function run({ url, requests, seconds: duration }: Order): Promise<Load> {
  const seen = { good: 0, bad: 0, times: [] as number[] };
  let connections = 0;
  const setupClient = (client: autocannon.Client): void => {
    const mine = connections++;
    client.setRequests(requests.filter((_, i) => i % CONNECTIONS === mine));
    client.on('response', (status, _bytes, time) => {
      if (status < 300) seen.good++;
      else seen.bad++;
      seen.times.push(time);
    });
  };
  const until = duration === undefined ? { amount: requests.length } : { duration };
  const started = performance.now();
  const before = process.cpuUsage();
  const { errors, timeouts } = await autocannon({
    url,
    connections: CONNECTIONS,
    ...until,
    setupClient,
  });
  if (errors + timeouts > 0) throw new Error(`${errors} requests failed, ${timeouts} timed out`);
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return { ...summaryOf(seen, seconds), busy: (user + system) / 1_000_000 / seconds };
}

function summaryOf(
  { good, bad, times }: { good: number; bad: number; times: number[] },
  seconds: number,
): Omit<Load, 'busy'> {
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return {
    good: good / seconds,
    bad: bad / seconds,
    responses: good + bad,
    p50: at(0.5),
    p99: at(0.99),
  };
}
