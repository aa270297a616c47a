import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const has = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args).error === undefined;

export const hasRedis = has('redis-server', '--version');
/** wrk needs much less CPU time than a load generator in JavaScript, so the server gets more of it. */
export const hasWrk = has('wrk', '--version');

const cores = availableParallelism();
/** Cores. If other processes use more than this, they distort the figures. */
export const BUSY = 0.2;

/** Whether processes are pinned to cores. Without it, server and load may share a core. On a busy machine the scheduler chooses. */
let pinned = false;

/** `server`: the first core, which only the server uses. `beside`: the other cores, for the load, Redis and WeChat. */
export type Place = 'server' | 'beside';

const CORES: Record<Place, string> = { server: '0', beside: `1-${cores - 1}` };

/** Pins a process to its cores if the machine supports it. */
export function pin(pid: number, place: Place): void {
  if (pinned) spawnSync('taskset', ['-acp', CORES[place], String(pid)]);
}

/** The machine and the tools of the measurement. */
export interface Machine {
  cpu: string;
  cores: number;
  node: string;
  redis: string;
  load: 'wrk' | 'autocannon';
  /** Whether server and load ran on separate cores. */
  pinned: boolean;
  /** Cores that other processes used before the start. The load average would include the build that has just ended. */
  othersBusy: number;
}

/** Measures the load of other processes for three seconds, and decides whether to pin processes to cores. */
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

/** Returns how many cores other processes use, measured over `ms` milliseconds. */
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

/** USER_HZ of Linux. */
const TICKS_PER_SECOND = 100;

/**
 * Starts to count the CPU time that the host of a virtual machine gives to others.
 * @returns a function that returns the cores that were stolen since, or `undefined` if the system does not report it
 */
export function countStolenCores(): () => number | undefined {
  const [before, started] = [stolenTicks(), performance.now()];
  return () => {
    const after = stolenTicks();
    if (before === undefined || after === undefined) return undefined;
    const seconds = (performance.now() - started) / 1_000;
    return Number(((after - before) / TICKS_PER_SECOND / seconds).toFixed(2));
  };
}

/** @see man 5 proc, `/proc/stat`: the eighth number of the first line is "steal" */
function stolenTicks(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  return Number(readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]?.split(/\s+/)[8]);
}
