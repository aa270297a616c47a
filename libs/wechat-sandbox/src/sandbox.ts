import { setMaxListeners } from 'node:events';
import type { FastifyInstance } from 'fastify';
import { ContentChecks } from './content/content-checks.js';
import type { ContentVerdictOptions } from './content/content-checks.js';
import { Deliveries } from './deliveries/deliveries.js';
import type { Delivery, DeliveryFault, NextDelivery } from './deliveries/delivery.js';
import { FaultPlan } from './faults.js';
import type { Fault, NextFault } from './faults.js';
import { PayRoutes } from './pay/pay-routes.js';
import { WechatPay } from './pay/wechat-pay.js';
import type { PayOptions } from './pay/wechat-pay.js';
import { Pushes } from './push/pushes.js';
import type { PushVerification } from './push/pushes.js';
import { platformRoutes } from './platform/routes.js';
import { createServer } from './server.js';
import { appAddress } from './simulator/app-address.js';
import { recordAttempts } from './simulator/delivery-traffic.js';
import { QrContents } from './simulator/qr-contents.js';
import { Traffic } from './simulator/traffic.js';
import { RequestLog } from './transport/request-log.js';
import type { RecordedRequest } from './transport/request-log.js';
import { RidLog } from './transport/rid-log.js';
import type { AccessTokens } from './world/access-tokens.js';
import { Agenda } from './world/agenda.js';
import type { Apps, SandboxApp } from './world/apps.js';
import type { SandboxClock } from './world/clock.js';
import type { PushContent, PushOptions } from './world/push.js';
import { SandboxError } from './world/sandbox-error.js';
import type { Users } from './world/users.js';
import { World } from './world/world.js';
import type { WorldOptions } from './world/world.js';

const LOOPBACK_ADDRESS = '127.0.0.1';

/** The options of {@link startWechatSandbox}. */
export interface WechatSandboxOptions extends WorldOptions {
  /** @default a free port */
  port?: number;
  /**
   * The name or address to listen on. Clients use this name or a loopback name, and no other. Every client that reaches the sandbox can
   * control it, so keep it on loopback.
   *
   * @default '127.0.0.1'
   */
  host?: string;
  /**
   * Origins of other pages that may call the control plane from a browser, for example `['http://localhost:5173']`.
   *
   * @default none
   */
  allowedOrigins?: readonly string[];
  /** The server that the simulator's mini program calls. {@link WechatSandbox.simulate} sets it later. */
  simulator?: { appBaseUrl: string };
  /** The merchants of WeChat Pay. */
  pay?: PayOptions;
}

/**
 * Starts a fake WeChat platform on HTTP. Set `WECHAT_API_BASE_URL` to its `url`.
 *
 * @example
 * const wechat = await startWechatSandbox();
 * const { code } = await wechat.users.create().login(); // what wx.login() returns in the mini program
 * await wechat.close();
 */
export async function startWechatSandbox(
  options: WechatSandboxOptions = {},
): Promise<WechatSandbox> {
  const { port = 0, host = LOOPBACK_ADDRESS } = options;
  const sandbox = new WechatSandbox(options);
  if (options.simulator) sandbox.simulate(options.simulator.appBaseUrl);
  try {
    await sandbox.listen(port, host);
  } catch (error) {
    if (!isListenFailure(error)) throw error;
    throw new SandboxError(
      `The sandbox cannot listen on ${host}:${port}. Choose another port, or omit it for a free one.`,
      { cause: error },
    );
  }
  return sandbox;
}

const isListenFailure = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'syscall' in error;

/** A running fake WeChat platform. */
export class WechatSandbox {
  /** Codes, tokens and quotas expire by this clock: `wechat.clock.advance('5m')`. */
  readonly clock: SandboxClock;
  /** `wechat.users.create({ phoneNumber: '13580006666' })` */
  readonly users: Users;
  /** The registered apps with their defaults filled in. */
  readonly apps: readonly SandboxApp[];
  /** The app-level access tokens: `isValid(token)`, `current(appId)`, `invalidate(appId?)`. */
  readonly accessTokens: AccessTokens;
  /** WeChat Pay: `pay.merchant.env({ notifyUrl })`, `pay.orders`, `pay.notify(outTradeNo)`. */
  readonly pay: WechatPay;
  private readonly registeredApps: Apps;
  private readonly agenda: Agenda;
  private readonly deliveryQueue: Deliveries;
  private readonly pushes: Pushes;
  private readonly content: ContentChecks;
  private readonly requestLog: RequestLog;
  private readonly faults: FaultPlan;
  private readonly server: FastifyInstance;
  private readonly closing = new AbortController();
  private baseUrl = '';
  private app?: URL;

  /** @internal Use {@link startWechatSandbox}. */
  constructor(options: WechatSandboxOptions) {
    const world = new World(options);
    ({ clock: this.clock, users: this.users, accessTokens: this.accessTokens } = world);
    this.registeredApps = world.apps;
    this.apps = world.apps.all;
    this.agenda = new Agenda(this.clock);
    const traffic = new Traffic(this.clock);
    this.deliveryQueue = new Deliveries(
      this.clock,
      this.agenda,
      this.closing.signal,
      recordAttempts(traffic),
    );
    this.pay = new WechatPay(
      world,
      this.deliveryQueue,
      this.agenda,
      options.pay ?? {},
      () => this.baseUrl,
    );
    world.pay = this.pay;
    this.pushes = new Pushes(world.apps, this.deliveryQueue, this.closing.signal);
    world.pushes = this.pushes;
    this.content = new ContentChecks(world, this.agenda, this.closing.signal);
    const rids = new RidLog();
    const routes = platformRoutes(world, rids, {
      shipments: this.pay.shipments,
      content: this.content,
    });
    const payRoutes = new PayRoutes(this.pay);
    this.requestLog = new RequestLog(this.clock);
    this.faults = new FaultPlan(new Set([...routes.map(({ path }) => path), ...payRoutes.paths]));
    setMaxListeners(0, this.closing.signal); // any number of responses may be pending
    const { faults, requestLog, clock, pay, content } = this;
    const closing = this.closing.signal;
    const { host = LOOPBACK_ADDRESS, allowedOrigins = [] } = options;
    this.server = createServer({
      host,
      allowedOrigins,
      control: {
        world,
        faults,
        requestLog,
        url: () => this.baseUrl,
        pay,
        deliveries: this.deliveryQueue,
        pushes: this.pushes,
        content,
      },
      simulator: {
        world,
        pay,
        traffic,
        qrContents: new QrContents(),
        app: () => this.app,
        closing,
      },
      platform: {
        routes: new Map(routes.map((route) => [route.path, route])),
        pay: payRoutes,
        faults,
        requestLog,
        rids,
        clock,
        closing,
      },
    });
  }

  /** `http://127.0.0.1:<port>` */
  get url(): string {
    return this.baseUrl;
  }

  /** All calls to WeChat so far, secrets included, the oldest first. Only the newest 10 000 are kept. */
  get requests(): RecordedRequest[] {
    return this.requestLog.requests;
  }

  /** The calls to one path: `wechat.requestsTo('/sns/jscode2session')`. */
  requestsTo(path: string): RecordedRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Replaces the next response on a path, or the next `times` responses. Several faults are used in the order they were queued. */
  next(path: string, fault: NextFault): void {
    this.faults.next(path, fault);
  }

  /** Replaces every response on a path, or with `'*'` on all paths, until {@link WechatSandbox.clear}. Queued faults come first. */
  always(path: string, fault: Fault): void {
    this.faults.always(path, fault);
  }

  /** Removes the faults of a path, queued and lasting, or all faults. */
  clear(path?: string): void {
    this.faults.clear(path);
    if (path === undefined) this.deliveryQueue.clear();
  }

  /**
   * Pushes a message or event of an app with valid signature, in its mode and format. It is sent again twice, but only if there is no
   * response within 5 s.
   *
   * @param message WeChat's own names. `ToUserName`, `FromUserName`, `CreateTime` and `MsgType` (`event`) have defaults, and so has
   *   `MsgId` of a message that is not an event. A `List` of one item is sent as given: an object or an array.
   * @returns the delivery after its first attempt, with the reply
   * @throws SandboxError if the app has no push
   *
   * @example
   * const { attempts } = await wechat.push(appId, { Event: 'debug_demo', debug_str: 'hello' });
   * attempts[0]; // { status: 200, reply: 'success', … }
   */
  push(appId: string, message: PushContent): Promise<Delivery> {
    return this.pushes.send(appId, message);
  }

  /** Sends the signed GET that the console sends when the page 消息推送 is saved: `{ ok: true, status: 200 }`. */
  verifyPush(appId: string): Promise<PushVerification> {
    return this.pushes.verify(appId);
  }

  /** Resets the AppSecret of an app, as its console does, and returns the new one. The old one is refused with 40125. */
  resetSecret(appId: string): string {
    return this.registeredApps.resetSecret(appId);
  }

  /** Changes the page 消息推送 of an app, for example when the server has got its port. */
  configurePush(appId: string, options: PushOptions): void {
    this.pushes.configure(appId, options);
  }

  /**
   * Sets the verdict of all later checks of content (`'*'`), or sends the verdict of one file, also a second time. Without it a text
   * with 敏感词 is risky, every other text passes, and a file passes after 2 s of the clock.
   *
   * @param traceId from the response of `media_check_async`, or `'*'`
   *
   * @example
   * wechat.contentVerdict('*', { suggest: 'risky', after: '30m' });
   */
  contentVerdict(traceId: string, verdict: ContentVerdictOptions): void {
    this.content.decide(traceId, verdict);
  }

  /** Every notification and push with its attempts, the oldest first. Only the newest 10 000 are kept. */
  get deliveries(): Delivery[] {
    return this.deliveryQueue.all;
  }

  /** Applies a fault to the next attempt of any delivery: `wechat.nextDelivery({ drop: true })`. Several are used in the order they were queued. */
  nextDelivery(fault: NextDelivery): void {
    this.deliveryQueue.next(fault);
  }

  /** Applies a fault to every attempt of every delivery, until `everyDelivery({})` or `clear()`. Queued faults come first. */
  everyDelivery(fault: DeliveryFault): void {
    this.deliveryQueue.every(fault);
  }

  /** Sends a notification or push once more, also an acknowledged one, and returns it after this attempt. */
  deliverAgain(id: string): Promise<Delivery> {
    return this.deliveryQueue.again(id);
  }

  /** Resolves when everything that is due by the clock has been sent and has its response. */
  async settle(): Promise<void> {
    await this.agenda.settle();
  }

  /** From now on WeChat refuses the access tokens of the app with 40001. Without an appId, those of all apps. */
  invalidateAccessToken(appId?: string): void {
    this.accessTokens.invalidate(appId);
  }

  /**
   * Connects the simulator's mini program to a server on this machine.
   *
   * @param appBaseUrl http URL with a loopback host
   * @returns the URL of the simulator page
   *
   * @example
   * await app.listen(3000);
   * console.log(wechat.simulate('http://127.0.0.1:3000')); // http://127.0.0.1:3001/simulator/
   */
  simulate(appBaseUrl: string): string {
    this.app = appAddress(appBaseUrl);
    return `${this.baseUrl}/simulator/`;
  }

  /** Stops at once. Pending and hanging connections are closed. */
  async close(): Promise<void> {
    this.closing.abort();
    this.agenda.close();
    await this.server.close();
  }

  /** @internal */
  async listen(port: number, host: string): Promise<void> {
    this.baseUrl = await this.server.listen({ port, host });
  }
}
