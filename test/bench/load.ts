import autocannon from 'autocannon';
import { answerQuestions } from './child.js';

/** The load generator. It runs alone in its process, so that what it costs is not charged to a server. */
export interface Order {
  url: string;
  requests: { method?: 'GET' | 'POST'; path: string; headers?: Record<string, string> }[];
  /** For so long, or each request once. */
  seconds?: number;
}

export interface Load {
  /** Answers per second with a status below 300, and with any other. */
  good: number;
  bad: number;
  answers: number;
  /** Milliseconds. */
  p99: number;
  /** Cores that this process kept busy; near 1, it is the load that is measured, not the server. */
  busy: number;
}

const CONNECTIONS = 64;

answerQuestions({ run });

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
  const { errors, timeouts } = await autocannon({ url, connections: CONNECTIONS, ...until, setupClient });
  if (errors + timeouts > 0) throw new Error(`${errors} requests failed, ${timeouts} timed out`);
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(before);
  return { ...summaryOf(seen, seconds), busy: (user + system) / 1_000_000 / seconds };
}

function summaryOf({ good, bad, times }: { good: number; bad: number; times: number[] }, seconds: number): Omit<Load, 'busy'> {
  times.sort((a, b) => a - b);
  return { good: good / seconds, bad: bad / seconds, answers: good + bad, p99: times[Math.floor(times.length * 0.99)] ?? 0 };
}
