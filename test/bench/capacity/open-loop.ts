import { setTimeout as sleep } from 'node:timers/promises';
import type { People, Step } from './people.js';

/** A step at its time, in milliseconds from the start. */
export interface Arrival extends Step {
  at: number;
}

export interface Outcome {
  failures: string[];
  /** Milliseconds from the planned start of a step to its end, 99th percentile. */
  p99: number;
}

/** Runs steps at their times, whether or not earlier ones have ended. So a slow server gets no less load. */
export async function runOpenLoop(people: People, arrivals: Arrival[]): Promise<Outcome> {
  const started = performance.now();
  const times: number[] = [];
  const failures: string[] = [];
  const running = new Set<Promise<void>>();
  for (const arrival of arrivals) {
    const pause = started + arrival.at - performance.now();
    if (pause > 1) await sleep(pause);
    const step = people
      .run(arrival)
      .catch((error: Error) => void failures.push(error.message))
      .finally(() => {
        times.push(performance.now() - started - arrival.at);
        running.delete(step);
      });
    running.add(step);
  }
  await Promise.all(running);
  times.sort((a, b) => a - b);
  return { failures, p99: times[Math.floor(times.length * 0.99)] ?? 0 };
}

/** Gives each login its code. */
export async function withCodes(people: People, arrivals: Arrival[]): Promise<Arrival[]> {
  const logins = arrivals.filter(({ action }) => action === 'login');
  const codes = await people.codesOf(logins.map(({ person }) => person));
  logins.forEach((login, i) => (login.code = codes[i]));
  return arrivals;
}
