import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner } from '@nestjs/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { hideSecrets } from '../hide-secrets.js';
import { HandlerRegistry } from '../inbox/handler-registry.js';
import type { MessageHandler } from '../inbox/handler-registry.js';
import { mountEndpoint, warnOfHiddenRoute } from '../inbox/http-endpoint.js';
import type { HttpEndpoint, OutgoingResponse } from '../inbox/http-endpoint.js';
import { Inbox, InboxBusyError } from '../inbox/inbox.js';
import { logFailure } from '../inbox/log-failure.js';
import { requireBytes } from '../inbox/request-body.js';
import { MinuteLog } from '../minute-log.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatError } from '../wechat.errors.js';
import { PAY_HANDLER } from './on-pay-notification.decorator.js';
import { identityOf, PayNotificationReader } from './pay-notification.reader.js';
import type {
  OpenedNotification,
  PayNotification,
  PayNotificationRequest,
} from './pay-notification.reader.js';
import { ResolvedPayOptions } from './pay.options.js';
import { PROBE_REFUSED } from './pay.signature.js';
import { PayStore } from './pay.store.js';

/**
 * The response to WeChat Pay, which `PayNotificationService.handle` returns.
 *
 * @experimental
 * @example
 * ```ts
 * const { status, headers, body } = await notifications.handle(request);
 * response.status(status).set(headers).send(body);
 * ```
 */
export interface PayNotificationResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** WeChat Pay waits for 5 s. */
const RESPOND_WITHIN_MS = 4_000;
const SHUTDOWN_MS = 10_000;
/** One body for each status. It contains nothing of the request, so a sender learns only the status. */
const REFUSALS: Record<number, string> = {
  400: '{"code":"FAIL","message":"bad request"}',
  401: '{"code":"FAIL","message":"not authenticated"}',
  403: '{"code":"FAIL","message":"not for this merchant"}',
  413: '{"code":"FAIL","message":"too large"}',
  415: '{"code":"FAIL","message":"unsupported encoding"}',
  500: '{"code":"FAIL","message":"failed"}',
  503: '{"code":"FAIL","message":"try again"}',
};

/**
 * Receives the notifications of WeChat Pay at the path of `notify.url`, and calls the method with `@OnPayNotification`.
 *
 * @experimental
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791902
 * @example
 * ```ts
 * const { status, headers, body } = await notifications.handle({ headers: request.headers, body: request.rawBody });
 * ```
 */
@Injectable()
export class PayNotificationService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('WechatPay');
  /** For lines that any sender can cause. */
  private readonly minuteLog = new MinuteLog('WechatPay');
  private readonly inbox: Inbox;
  private readonly endpoint?: HttpEndpoint;
  private readonly unhandled = new Set<string>();
  private handlers?: HandlerRegistry<PayNotification>;
  private isClosing = false;

  /** @internal */
  constructor(
    options: ResolvedPayOptions,
    private readonly reader: PayNotificationReader,
    { store }: PayStore,
    private readonly host: HttpAdapterHost,
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {
    this.inbox = new Inbox(store, KEY_PREFIX.payNotification, { longestWait: RESPOND_WITHIN_MS });
    hideSecrets(this, 'host', 'discovery', 'endpoint'); // they reference the whole application and the options as given
    const path = options.notifyPath;
    if (path === undefined) return;
    this.endpoint = {
      path,
      methods: ['POST'],
      matches: (requested) => requested === path,
      handle: (request) => this.handle(request),
      refuse,
    };
    mountEndpoint(host, this.endpoint);
  }

  /** @throws WechatConfigError if two methods handle one event */
  onApplicationBootstrap(): void {
    this.handlers = new HandlerRegistry(
      this.discovery,
      this.scanner,
      PAY_HANDLER,
      '@OnPayNotification',
    );
    if (this.endpoint) warnOfHiddenRoute(this.host, this.endpoint);
  }

  /** Waits for running handlers. New notifications are 503 meanwhile, and WeChat Pay repeats them. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosing = true;
    await Promise.race([this.inbox.settled(), sleep(SHUTDOWN_MS, undefined, { ref: false })]);
  }

  /**
   * Handles a notification: verifies, decrypts, runs the handler once, and returns the response for WeChat Pay. Use it with
   * `notify.path: false` in a controller of your own.
   *
   * @returns 204 if it is handled or has no handler; 4xx and 5xx with `{ code: 'FAIL', message }` make WeChat Pay repeat it
   * @throws WechatConfigError if `body` is not a Buffer: a body that was parsed and serialised again does not verify
   */
  async handle(request: PayNotificationRequest): Promise<PayNotificationResponse> {
    requireBytes(request.body);
    if (request.method !== undefined && request.method !== 'POST')
      return { status: 405, headers: { ...NO_STORE, Allow: 'POST' }, body: '' };
    if (this.isClosing || !this.handlers) return refuse(503);
    try {
      return await this.run(await this.reader.read(request), this.handlers);
    } catch (error) {
      return refuse(this.statusOf(error));
    }
  }

  /**
   * Verifies and decrypts a notification, without running a handler.
   *
   * @throws WechatCallbackError if it is not WeChat Pay's or belongs to another merchant; WechatBadRequestError if it cannot be decrypted;
   *   WechatUnavailableError while no key of WeChat Pay is known; WechatConfigError if `body` is not a Buffer
   */
  async open(request: PayNotificationRequest): Promise<PayNotification> {
    return (await this.reader.read(request)).notification;
  }

  private async run(
    opened: OpenedNotification,
    handlers: HandlerRegistry<PayNotification>,
  ): Promise<OutgoingResponse> {
    const { notification } = opened;
    const { eventType } = notification;
    const handler = handlers.find(eventType);
    if (!handler) {
      this.warnOfUnhandled(eventType);
      return DONE;
    }
    const run = this.inbox.process(identityOf(opened), () =>
      this.runHandler(handler, notification),
    );
    const late = sleep(RESPOND_WITHIN_MS, refuse(503), { ref: false });
    return Promise.race([run.then(() => DONE), late]);
  }

  /** It may fail after the response, so its failure is logged here. */
  private async runHandler(
    handler: MessageHandler<PayNotification>,
    notification: PayNotification,
  ): Promise<Buffer> {
    try {
      await handler.handle(notification);
      return Buffer.alloc(0);
    } catch (error) {
      logFailure(
        this.logger,
        `${handler.name} failed, and WeChat Pay will repeat the notification`,
        error,
      );
      throw new HandlerError();
    }
  }

  /** A refused request can come from anyone, so the log has nothing of it. */
  private statusOf(error: unknown): number {
    if (error instanceof HandlerError) return 500;
    if (error instanceof InboxBusyError) return 503;
    if (!(error instanceof WechatError)) {
      logFailure(this.logger, 'A notification failed', error);
      return 500;
    }
    const status = error.getStatus();
    const isProbe = error.message === PROBE_REFUSED;
    if (isProbe) this.logger.debug(error.message);
    else this.minuteLog.warn(`A notification was refused with ${status}: ${error.message}`);
    return status;
  }

  private warnOfUnhandled(eventType: string): void {
    if (this.unhandled.has(eventType) || this.unhandled.size >= 100) return;
    this.unhandled.add(eventType);
    this.logger.warn(
      `A notification ${eventType} has no handler and is acknowledged. Add @OnPayNotification('${eventType}') or @OnPayNotification('*').`,
    );
  }
}

class HandlerError extends Error {}

const NO_STORE = { 'Cache-Control': 'no-store' };
const DONE: OutgoingResponse = { status: 204, headers: NO_STORE, body: '' };

function refuse(status: number): OutgoingResponse {
  return {
    status,
    headers: { ...NO_STORE, 'Content-Type': 'application/json' },
    body: REFUSALS[status] ?? REFUSALS[500]!,
  };
}
