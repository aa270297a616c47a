import { readFileSync } from 'node:fs';
import { createApp, listen } from '../../apps/sample/src/app.js';
import { loadEnvironment, readConfig } from '../../apps/sample/src/config.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { serveTasks, spentCpu } from './child.js';

/** What a piece of work cost the process of the app. */
export interface Spent {
  ms: number;
  /** CPU time of all threads, in microseconds. */
  cpu: number;
  /**
   * The most CPU time of the main thread between two turns of the event loop, in milliseconds: for so long no other request could run.
   * The time for which the thread waits for a CPU does not count.
   */
  held: number;
  /** By how many bytes the memory of the process (RSS) was above its size before the work. */
  memory: number;
}

/** Runs the reference app in this process, and measures what its work on files costs. */
const config = readConfig(loadEnvironment());
const app = await createApp(config);
await listen(app, config, '127.0.0.1');

const LOOK_EVERY_MS = 20;
let watched = watch();

serveTasks({
  url: () => app.getUrl(),
  cpu: spentCpu,
  begin: () => {
    watched.end();
    watched = watch();
  },
  end: () => watched.end(),
  sweep: () => app.get(SweepJob, { strict: false }).runNow(),
});

function watch(): { end: () => Spent } {
  globalThis.gc!();
  const [startedAt, cpu, memory] = [performance.now(), spentCpu(), process.memoryUsage.rss()];
  let [most, held, turnAt] = [memory, 0, mainThreadMs()];
  const looks = [
    setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), LOOK_EVERY_MS),
    setInterval(() => {
      const now = mainThreadMs();
      held = Math.max(held, now - turnAt);
      turnAt = now;
    }, 1),
  ];
  const end = (): Spent => {
    looks.forEach(clearInterval);
    return {
      ms: performance.now() - startedAt,
      cpu: spentCpu() - cpu,
      held,
      memory: most - memory,
    };
  };
  return { end };
}

/** CPU time of the main thread, whose id is that of the process. Linux counts it in nanoseconds. */
function mainThreadMs(): number {
  const [cpu] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(cpu) / 1e6;
}
