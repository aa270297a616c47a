import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const has = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args).error === undefined;

export const hasRedis = has('redis-server', '--version');
/** Spends a fraction of what a load generator in JavaScript spends, and so leaves the machine to the server. */
export const hasWrk = has('wrk', '--version');

const cores = availableParallelism();
/** In cores. Where others are busier than that, they are measured, too. */
export const BUSY = 0.2;

/** Two processes that take turns on one core measure the scheduler. Where others want the cores as well, it is left its choice. */
let pinned = false;

/** The server alone on the first core; whatever it is measured with, on the others. */
export type Place = 'server' | 'beside';

const CORES: Record<Place, string> = { server: '0', beside: `1-${cores - 1}` };

/** Keeps a process on its cores, where the machine can. */
export function pin(pid: number, place: Place): void {
  if (pinned) spawnSync('taskset', ['-acp', CORES[place], String(pid)]);
}

/** What the figures were measured on, and with. */
export interface Machine {
  cpu: string;
  cores: number;
  node: string;
  redis: string;
  load: 'wrk' | 'autocannon';
  /** Whether server and load were kept apart. */
  pinned: boolean;
  /** Cores that something else kept busy before. Not the load average, which would count the build that has just ended. */
  othersBusy: number;
}

/** Looks around for three seconds, and decides whether to keep processes on cores of their own. */
export async function describeMachine(): Promise<Machine> {
  const othersBusy = await coresBusyFor(3_000);
  pinned =
    cores > 1 &&
    othersBusy <= BUSY &&
    spawnSync('taskset', ['-c', `0-${cores - 1}`, 'true']).status === 0;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores,
    node: process.version,
    redis: hasRedis ? versionIn('redis-server', /v=([\d.]+)/) : 'none',
    load: hasWrk ? 'wrk' : 'autocannon',
    pinned,
    othersBusy: Number(othersBusy.toFixed(2)),
  };
}

function versionIn(command: string, pattern: RegExp): string {
  return pattern.exec(String(spawnSync(command, ['--version']).stdout))?.[1] ?? 'unknown';
}

/** While this process waits for so many milliseconds. */
async function coresBusyFor(ms: number): Promise<number> {
  const spent = (): { idle: number; all: number } => {
    const times = cpus().flatMap((core) => Object.entries(core.times));
    const sum = (of: (kind: string) => boolean): number =>
      times.reduce((total, [kind, time]) => total + (of(kind) ? time : 0), 0);
    return { idle: sum((kind) => kind === 'idle'), all: sum(() => true) };
  };
  const before = spent();
  await sleep(ms);
  const after = spent();
  return cores * (1 - (after.idle - before.idle) / (after.all - before.all));
}
