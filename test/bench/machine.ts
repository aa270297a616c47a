import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';

const has = (command: string, ...args: string[]): boolean => spawnSync(command, args).error === undefined;

export const hasRedis = has('redis-server', '--version');
/** Spends a fraction of what a load generator in JavaScript spends, and so leaves the machine to the server. */
export const hasWrk = has('wrk', '--version');

const cores = availableParallelism();
const loadAverage = Number(loadavg()[0]!.toFixed(2));
/** Whatever else runs is measured, too. */
export const isBusy = loadAverage > 1;

/** Two processes that take turns on one core measure the scheduler. Where others want the cores as well, it is left its choice. */
const pinned = cores > 1 && !isBusy && spawnSync('taskset', ['-c', `0-${cores - 1}`, 'true']).status === 0;

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
  /** Of the minute before. */
  loadAverage: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores,
    node: process.version,
    redis: hasRedis ? versionIn('redis-server', /v=([\d.]+)/) : 'none',
    load: hasWrk ? 'wrk' : 'autocannon',
    pinned,
    loadAverage,
  };
}

function versionIn(command: string, pattern: RegExp): string {
  return pattern.exec(String(spawnSync(command, ['--version']).stdout))?.[1] ?? 'unknown';
}
