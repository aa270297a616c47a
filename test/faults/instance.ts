import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { WechatModuleOptions } from 'nestjs-wechat';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { optionsFor } from '../support/team-app.js';

const WORKERS = join(__dirname, 'workers');
const running = new Set<ChildProcess>();

/** Kills the processes that a failed test did not stop. */
export function killInstances(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** An application in its own process, for SIGKILL, SIGSTOP and SIGTERM. */
export class Instance {
  /** Its output so far. */
  log = '';
  private readonly exit: Promise<number | null>;

  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {
    this.exit = once(child, 'exit').then(([code]) => code as number | null);
    for (const out of [child.stdout!, child.stderr!])
      out.on('data', (text: Buffer) => (this.log += text.toString()));
  }

  /** @param env variables added to this process's environment; `CLOCK_SKEW` (ms) gives it a wrong clock */
  static async start(
    wechat: WechatSandbox,
    { url: redisUrl }: { url: string },
    more: Partial<WechatModuleOptions> = {},
    env: Record<string, string> = {},
  ): Promise<Instance> {
    const options = JSON.stringify({ ...optionsFor(wechat, more), redis: { url: redisUrl } });
    const preload = ['register.mjs', ...('CLOCK_SKEW' in env ? ['clock.mjs'] : [])];
    const execArgv = preload.flatMap((file) => ['--import', join(WORKERS, file)]);
    const child = fork(join(WORKERS, 'instance.ts'), [options], {
      execArgv,
      env: { ...process.env, NO_COLOR: '1', ...env },
      silent: true,
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const [{ url }] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => endedEarly(child)),
    ])) as [{ url: string }];
    return new Instance(child, url);
  }

  post(path: string, sessionRd = '', body?: object): Promise<Response> {
    const headers = {
      authorization: `Bearer ${sessionRd}`,
      ...(body && { 'content-type': 'application/json' }),
    };
    return fetch(this.url + path, { method: 'POST', headers, body: body && JSON.stringify(body) });
  }

  /** The status of a guarded request. */
  async me(sessionRd: string): Promise<number> {
    return (await this.as(sessionRd, '/me')).status;
  }

  /** Whether it runs. An unhandled rejection would have ended it. */
  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** GET with a session_rd. */
  as(sessionRd: string, path: string): Promise<Response> {
    return fetch(this.url + path, { headers: { authorization: `Bearer ${sessionRd}` } });
  }

  /** Its resident memory in bytes. */
  async rss(): Promise<number> {
    const { rss } = (await (await fetch(`${this.url}/memory`)).json()) as { rss: number };
    return rss;
  }

  login(code: string): Promise<Response> {
    return fetch(`${this.url}/login?code=${code}`, { method: 'POST' });
  }

  /** The access tokens that `callers` parallel calls get. */
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

  /** Ends it by SIGKILL. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit;
  }

  /** Ends it by SIGTERM. Returns its exit code. */
  stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.exit;
  }
}

function endedEarly({ stderr }: ChildProcess): never {
  throw new Error(`The instance ended before it listened: ${String(stderr?.read())}`);
}
