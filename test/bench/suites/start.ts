import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/free-port.js';
import { say } from '../bench.js';
import type { Scale } from '../bench.js';
import { figuresFor } from '../figures.js';
import type { Findings } from '../figures.js';

const ROOT = fileURLToPath(new URL('../../../../../', import.meta.url));
const DEMO = join(ROOT, 'dist/apps/sample/apps/sample/src/demo.js');
const figure = figuresFor('start');

/** Measures the time from the command until the readiness check succeeds. The first start may have to compile, and is not counted. */
export async function startSuite({ starts }: Scale): Promise<Findings> {
  say('  start');
  const npmStart = (): Promise<number> => secondsToReady('npm', ['start'], ROOT);
  await npmStart();
  const warm: number[] = [];
  const compiled: number[] = [];
  const empty: number[] = [];
  for (let round = 0; round < starts; round++) {
    say(`  start, round ${round + 1} of ${starts}`);
    warm.push(await npmStart());
    await inFolder(async (folder) => {
      const demo = (): Promise<number> => secondsToReady(process.execPath, [DEMO], folder);
      empty.push(await demo());
      compiled.push(await demo());
    });
  }
  const figures = [
    ...figure('npm start', 'npm start until it is ready, with sandbox and database', warm, {
      unit: 's',
      goal: { atMost: 5 },
    }),
    ...figure('start compiled', 'the compiled app, with an existing database', compiled, {
      unit: 's',
    }),
    ...figure('start empty', 'the compiled app, with a new database', empty, {
      unit: 's',
    }),
  ];
  return { figures };
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'wechat-bench-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function secondsToReady(command: string, args: string[], cwd: string): Promise<number> {
  const port = await freePort();
  const started = performance.now();
  const app = spawn(command, args, {
    cwd,
    env: { ...process.env, PORT: String(port) },
    stdio: 'ignore',
    detached: true,
  });
  const ended = once(app, 'exit');
  try {
    while (!(await isReady(port))) {
      if (app.exitCode !== null)
        throw new Error(
          `${command} ${args.join(' ')} ended with ${app.exitCode}. Is another one running on this machine?`,
        );
      await sleep(5);
    }
    return (performance.now() - started) / 1_000;
  } finally {
    if (app.exitCode === null) process.kill(-app.pid!, 'SIGINT'); // the signal goes to the process group, which includes the children of npm
    await ended;
  }
}

function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}
