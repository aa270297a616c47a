import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createApp, listen } from '../../apps/sample/src/app.js';
import { loadEnvironment, readConfig } from '../../apps/sample/src/config.js';
import { SweepJob } from '../../apps/sample/src/files/sweep-job.js';
import { serveTasks, spentCpu } from './child.js';

/** What a piece of work cost the process of the app. */
export interface Spent {
  ms: number;
  /** CPU time of all threads, in microseconds. */
  cpu: number;
  /** The longest time for which no other request could run, in milliseconds. */
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
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let most = memory;
  const look = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), LOOK_EVERY_MS);
  const end = (): Spent => {
    clearInterval(look);
    delay.disable();
    return {
      ms: performance.now() - startedAt,
      cpu: spentCpu() - cpu,
      held: delay.max / 1e6,
      memory: most - memory,
    };
  };
  return { end };
}
