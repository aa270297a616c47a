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

/** The script is not compiled, so it is read from the source folder. */
const SCRIPT = fileURLToPath(new URL('../../../../test/bench/wrk.lua', import.meta.url));

/** The output of the script. */
interface Summary {
  seconds: number;
  responses: number;
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
  wrk.kill('SIGINT'); // wrk accepts only whole seconds; at SIGINT it stops and reports
  await closed;
  const summary = printed.trim().split('\n').at(-1)!;
  if (!summary.startsWith('{')) throw new Error(`wrk printed no report:\n${printed}`);
  return JSON.parse(summary) as Summary;
}

function loadOf({ seconds, responses, bad, failed, p50, p99, cpu }: Summary): Load {
  if (failed > 0) throw new Error(`${failed} requests failed or timed out`);
  return {
    good: (responses - bad) / seconds,
    bad: bad / seconds,
    responses,
    p50,
    p99,
    busy: cpu / seconds,
  };
}
