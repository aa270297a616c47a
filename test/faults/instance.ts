import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { WechatModuleOptions } from 'nestjs-wechat';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import type { TestRedis } from '../support/redis.js';
import { optionsFor } from '../support/team-app.js';

const WORKERS = join(__dirname, 'workers');
const running = new Set<ChildProcess>();

/** Kills what a failing test has left behind. */
export function killInstances(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** A process of a team's application, for faults that only a process has: SIGKILL, SIGSTOP, SIGTERM. */
export class Instance {
  private readonly exit: Promise<number | null>;

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {
    this.exit = once(child, 'exit').then(([code]) => code as number | null);
  }

  static async start(wechat: WechatSandbox, redis: TestRedis, more: Partial<WechatModuleOptions> = {}): Promise<Instance> {
    const options = JSON.stringify({ ...optionsFor(wechat, more), redis: { url: redis.url } });
    const child = fork(join(WORKERS, 'instance.ts'), [options], { execArgv: ['--import', join(WORKERS, 'register.mjs')] });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const [{ url }] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(endedEarly)])) as [{ url: string }];
    return new Instance(child, url);
  }

  login(code: string): Promise<Response> {
    return fetch(`${this.url}/login?code=${code}`, { method: 'POST' });
  }

  /** The access token as each of so many callers at once gets it. */
  async accessTokens({ callers = 1, appId = '' } = {}): Promise<string[]> {
    const response = await fetch(`${this.url}/access-token?callers=${callers}&appId=${appId}`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as string[];
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Gone without a word. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit;
  }

  /** Told to stop; answers its exit code. */
  stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.exit;
  }
}

function endedEarly(): never {
  throw new Error('The instance ended before it listened; see what it wrote.');
}
