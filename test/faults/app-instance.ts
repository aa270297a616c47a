import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { SandboxUser } from 'nestjs-wechat-sandbox';
import { compiledFile } from '../support/built-app.js';
import { clientOf } from '../support/http.js';
import type { AppResponse } from '../support/http.js';

const running = new Set<ChildProcess>();

/** Kills the processes that a test did not stop. */
export function killAppInstances(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** A process of the reference app, and a client that is logged in. */
export interface AppInstance {
  child: ChildProcess;
  url: string;
  token: string;
  call: (route: string, body?: object) => Promise<AppResponse>;
}

interface How {
  /** How far the clock of the orders is ahead, in milliseconds. @default 0 */
  skewMs?: number;
  /** A call before or after which the process kills itself, such as `OrderSteps.pay after`. */
  killAt?: string;
}

/** Call `buildApp` before. */
export async function startAppInstance(
  env: Record<string, string>,
  user: SandboxUser,
  { skewMs = 0, killAt }: How = {},
): Promise<AppInstance> {
  const options = JSON.stringify({ env, skewMs, killAt });
  const worker = compiledFile('test/faults/workers/coffee-shop.js');
  const child = fork(worker, [options], { silent: true });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const [{ url }] = (await once(child, 'message')) as [{ url: string }];
  const send = clientOf(url);
  const login = await send('POST /auth/login', { body: await user.login() });
  const token = login.body.data.session_rd;
  return { child, url, token, call: (route, body) => send(route, { token, body }) };
}

/** Acts on a process that kills itself, and waits for its end. */
export async function actUntilKilled(
  doomed: AppInstance,
  act: (doomed: AppInstance) => Promise<unknown>,
): Promise<void> {
  const killed = once(doomed.child, 'exit');
  await act(doomed).catch(() => undefined); // the connection ends with the process
  expect((await killed)[1]).toBe('SIGKILL');
}
