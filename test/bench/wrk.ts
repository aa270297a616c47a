import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CONNECTIONS } from './order.js';
import type { HttpRequest, Load, Order } from './order.js';
import { pin } from './machine.js';

/** The script is not compiled; it stays where it was written. */
const SCRIPT = fileURLToPath(new URL('../../../../test/bench/wrk.lua', import.meta.url));

/** What the script prints at the end. */
interface Summary {
  seconds: number;
  answers: number;
  bad: number;
  failed: number;
  p50: number;
  p99: number;
  cpu: number;
}

export async function runWrk({ url, requests, seconds }: Required<Order>): Promise<Load> {
  const folder = await mkdtemp(join(tmpdir(), 'wechat-bench-'));
  try {
    const file = join(folder, 'requests');
    await writeFile(file, requests.map(lineOf).join('\n'));
    return loadOf(
      await summaryOf(
        ['-t1', `-c${CONNECTIONS}`, `-d${Math.ceil(seconds)}`, '-s', SCRIPT, url, '--', file],
        seconds,
      ),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

function lineOf({ method = 'GET', path, headers = {} }: HttpRequest): string {
  return [method, path, ...Object.entries(headers).flat()].join('\t');
}

async function summaryOf(args: string[], seconds: number): Promise<Summary> {
  const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  pin(wrk.pid!, 'beside');
  let printed = '';
  wrk.stdout.on('data', (chunk: Buffer) => (printed += String(chunk)));
  const closed = once(wrk, 'close');
  await Promise.race([closed, sleep(seconds * 1_000)]);
  wrk.kill('SIGINT'); // it counts whole seconds only; this is how it is told to stop and to report
  await closed;
  const summary = printed.trim().split('\n').at(-1)!;
  if (!summary.startsWith('{')) throw new Error(`wrk did not report:\n${printed}`);
  return JSON.parse(summary) as Summary;
}

function loadOf({ seconds, answers, bad, failed, p50, p99, cpu }: Summary): Load {
  if (failed > 0) throw new Error(`${failed} requests failed or timed out`);
  return {
    good: (answers - bad) / seconds,
    bad: bad / seconds,
    answers,
    p50,
    p99,
    busy: cpu / seconds,
  };
}
