import { setMaxListeners } from 'node:events';
import fastify, { type FastifyInstance } from 'fastify';
import { controlPlane } from './control/control-plane.js';
import { FaultPlan, type Fault, type NextFault } from './faults.js';
import { platformRoutes } from './platform/routes.js';
import { appAddress } from './simulator/app-address.js';
import { QrContents } from './simulator/qr-contents.js';
import { simulator } from './simulator/simulator.js';
import { Traffic } from './simulator/traffic.js';
import { tap } from './simulator/wire-tap.js';
import { exchange } from './transport/exchange.js';
import { Journal, type RecordedRequest } from './transport/journal.js';
import { RidLog } from './transport/rid-log.js';
import type { AccessTokens } from './world/access-tokens.js';
import type { SandboxApp } from './world/apps.js';
import type { SandboxClock } from './world/clock.js';
import { SandboxError } from './world/sandbox-error.js';
import type { Users } from './world/users.js';
import { World, type WorldOptions } from './world/world.js';

/** What `startWechatSandbox()` takes. */
export interface WechatSandboxOptions extends WorldOptions {
  /** @default a free one */
  port?: number;
  /** Whoever reaches the sandbox rules it, so keep it on loopback. @default '127.0.0.1' */
  host?: string;
  /** The server that the simulator's mini program talks to; {@link WechatSandbox.simulate} tells it later. */
  simulator?: { appBaseUrl: string };
}

/**
 * Starts a fake WeChat that answers over HTTP. Point `WECHAT_API_BASE_URL` at its `url`.
 *
 * @example
 * const wechat = await startWechatSandbox();
 * const { code } = await wechat.users.create().login(); // what wx.login() gives in the mini program
 * await wechat.close();
 */
export async function startWechatSandbox(
  options: WechatSandboxOptions = {},
): Promise<WechatSandbox> {
  const { port = 0, host = '127.0.0.1' } = options;
  const sandbox = new WechatSandbox(options);
  if (options.simulator) sandbox.simulate(options.simulator.appBaseUrl);
  try {
    await sandbox.listen(port, host);
  } catch (error) {
    if (!isListenFailure(error)) throw error;
    throw new SandboxError(
      `The sandbox cannot listen on ${host}:${port}. Choose another port, or none for a free one.`,
      { cause: error },
    );
  }
  return sandbox;
}

const isListenFailure = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'syscall' in error;

/** A running fake WeChat: its people, its time, its moods. */
export class WechatSandbox {
  /** Codes, tokens and quotas live by this clock: `wechat.clock.advance('5m')`. */
  readonly clock: SandboxClock;
  /** `wechat.users.create({ phoneNumber: '13580006666' })` */
  readonly users: Users;
  /** The registered apps with their defaults filled in. */
  readonly apps: readonly SandboxApp[];
  /** The judge of the app-level tokens: `isValid(token)`, `current(appId)`, `invalidate(appId?)`. */
  readonly accessTokens: AccessTokens;
  readonly #journal: Journal;
  readonly #faults: FaultPlan;
  readonly #server: FastifyInstance;
  readonly #closing = new AbortController();
  #url = '';
  #app?: URL;

  /** @internal Use {@link startWechatSandbox}. */
  constructor(options: WorldOptions) {
    const world = new World(options);
    ({ clock: this.clock, users: this.users, accessTokens: this.accessTokens } = world);
    this.apps = world.apps.all;
    const rids = new RidLog();
    const routes = new Map(platformRoutes(world, rids).map((route) => [route.path, route]));
    this.#journal = new Journal(this.clock);
    this.#faults = new FaultPlan(new Set(routes.keys()));
    setMaxListeners(0, this.#closing.signal); // as many answers may wait as the tests like
    const parts = {
      routes,
      faults: this.#faults,
      journal: this.#journal,
      rids,
      clock: this.clock,
      closing: this.#closing.signal,
    };
    this.#server = fastify({ forceCloseConnections: true });
    const traffic = new Traffic(this.clock);
    const watched = { traffic, journal: this.#journal, qrContents: new QrContents() };
    this.#server.register(controlPlane(this, this.#journal, traffic), { prefix: '/sandbox' });
    this.#server.register(simulator({ wechat: this, ...watched, app: () => this.#app }), {
      prefix: '/simulator',
    });
    this.#server.register(async (platform) => {
      platform.removeAllContentTypeParsers();
      platform.addContentTypeParser('*', (_request, _payload, done) => done(null)); // the exchange reads the body, or breaks off before it
      platform.all('*', (request, reply) => {
        reply.hijack();
        tap(request.raw, reply.raw, watched);
        return exchange(request.raw, reply.raw, parts);
      });
    });
  }

  /** `http://127.0.0.1:<port>` */
  get url(): string {
    return this.#url;
  }

  /** All calls to WeChat so far, secrets included, the oldest first. Beyond 10 000 the oldest are dropped. */
  get requests(): RecordedRequest[] {
    return this.#journal.requests;
  }

  /** The calls to one path: `wechat.requestsTo('/sns/jscode2session')`. */
  requestsTo(path: string): RecordedRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Spoils the next answer on a path, or the next `times`. Several faults are used in the order they were queued. */
  next(path: string, fault: NextFault): void {
    this.#faults.next(path, fault);
  }

  /** Spoils every answer on a path, or with `'*'` on all paths, until {@link WechatSandbox.clear}. Queued faults come first. */
  always(path: string, fault: Fault): void {
    this.#faults.always(path, fault);
  }

  /** Forgets the faults of a path, queued and lasting, or all faults. */
  clear(path?: string): void {
    this.#faults.clear(path);
  }

  /** WeChat refuses the app's tokens with 40001 from now on, all apps' tokens without an appId. */
  invalidateAccessToken(appId?: string): void {
    this.accessTokens.invalidate(appId);
  }

  /**
   * Lets the simulator's mini program talk to this server, which must run on this machine, and gives the address of the page.
   *
   * @example
   * await app.listen(3000);
   * console.log(wechat.simulate('http://127.0.0.1:3000')); // http://127.0.0.1:3001/simulator/
   */
  simulate(appBaseUrl: string): string {
    this.#app = appAddress(appBaseUrl);
    return `${this.#url}/simulator/`;
  }

  /** Ends at once; connections that hang or wait are cut. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#server.close();
  }

  /** @internal */
  async listen(port: number, host: string): Promise<void> {
    this.#url = await this.#server.listen({ port, host });
  }
}
