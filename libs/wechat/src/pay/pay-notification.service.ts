import { Injectable, Logger } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryService, HttpAdapterHost, MetadataScanner } from '@nestjs/core';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hideSecrets } from '../hide-secrets.js';
import { HandlerRegistry } from '../inbox/handler-registry.js';
import type { MessageHandler } from '../inbox/handler-registry.js';
import { MAX_BODY_BYTES, mountEndpoint, warnOfHiddenRoute } from '../inbox/http-endpoint.js';
import type { HttpEndpoint, OutgoingResponse } from '../inbox/http-endpoint.js';
import { Inbox, InboxBusyError } from '../inbox/inbox.js';
import { MinuteLog } from '../minute-log.js';
import { KEY_PREFIX } from '../store/keys.js';
import {
  WechatBadRequestError,
  WechatCallbackError,
  WechatConfigError,
  WechatError,
} from '../wechat.errors.js';
import { PAY_HANDLER } from './on-pay-notification.decorator.js';
import { WechatPayClient } from './pay.client.js';
import { ResolvedPayOptions } from './pay.options.js';
import { decryptPayResource } from './pay.resource.js';
import type { EncryptedPayResource } from './pay.resource.js';
import { PROBE_REFUSED } from './pay.signature.js';
import type { PayHeaders } from './pay.signature.js';
import { PayStore } from './pay.store.js';
import {
  isObject,
  isPayRefund,
  isPayTransaction,
  toDate,
  toRefund,
  toTransaction,
} from './pay.types.js';
import type { PayJson, PayRefund, PayTransaction } from './pay.types.js';

/**
 * A notification of WeChat Pay, verified and decrypted.
 *
 * @experimental
 * @example
 * ```ts
 * @OnPayNotification('REFUND.SUCCESS')
 * refunded({ resource }: PayNotification<PayRefund>) { … }
 * ```
 */
export interface PayNotification<Resource = PayTransaction | PayRefund | PayJson> {
  /** Differs between deliveries of one event, so it identifies nothing. */
  id: string;
  eventType: string;
  createdAt: Date;
  /** WeChat's sentence. */
  summary: string;
  mchId: string;
  /** A payment or a refund if the decrypted object has their fields, else the object itself. */
  resource: Resource;
  /** The serial number or the id of the key that verified it. */
  verifiedBy: string;
}

/**
 * A request that your own controller received.
 *
 * @experimental
 * @example
 * ```ts
 * const response = await notifications.handle({ method: 'POST', query: {}, headers: request.headers, body: request.rawBody });
 * ```
 */
export interface PayNotificationRequest {
  method?: string;
  query?: object;
  /** Names in lower case. */
  headers: PayHeaders;
  /** The exact bytes. */
  body: Buffer;
}

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
/** One text per status: a refusal tells the sender nothing else. */
const TEXTS: Record<number, string> = {
  400: 'bad request',
  401: 'not authenticated',
  403: 'not for this merchant',
  413: 'too large',
  415: 'unsupported encoding',
  500: 'failed',
  503: 'try again',
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
    private readonly options: ResolvedPayOptions,
    private readonly pay: WechatPayClient,
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
      return await this.run(await this.read(request), this.handlers);
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
    return (await this.read(request)).notification;
  }

  private async read({ headers, body }: PayNotificationRequest): Promise<OpenedNotification> {
    requireBytes(body);
    if (body.length > MAX_BODY_BYTES) throw new TooLargeError();
    const verifiedBy = await this.pay.verifySignature(headers, body);
    const message = parse(body.toString('utf8'));
    const { resource } = message;
    if (!isObject(resource)) throw new WechatBadRequestError('the notification has no resource');
    const text = this.decrypt(resource as unknown as EncryptedPayResource);
    const content = parse(text);
    const { mchId } = this.options;
    if (content['mchid'] !== undefined && content['mchid'] !== mchId)
      throw new WechatCallbackError('The notification belongs to another merchant.', 403);
    const notification: PayNotification = {
      id: textOf(message['id']),
      eventType: textOf(message['event_type']),
      createdAt: toDate(message['create_time']) ?? new Date(0),
      summary: textOf(message['summary']),
      mchId,
      resource: toResource(content),
      verifiedBy,
    };
    return { notification, identity: identityOf(notification, text) };
  }

  /** Its signature is verified, so a failure means that the APIv3 key is wrong. */
  private decrypt(resource: EncryptedPayResource): string {
    try {
      const text = decryptPayResource({ resource, apiV3Key: this.options.apiV3Key });
      this.pay.reportDecryption('ok');
      return text;
    } catch (error) {
      this.pay.reportDecryption('failed');
      throw error;
    }
  }

  private async run(
    { notification, identity }: OpenedNotification,
    handlers: HandlerRegistry<PayNotification>,
  ): Promise<OutgoingResponse> {
    const { eventType } = notification;
    const handler = handlers.find(eventType);
    if (!handler) {
      this.warnOfUnhandled(eventType);
      return DONE;
    }
    const run = this.inbox.process(identity, () => this.runHandler(handler, notification));
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
      this.logger.error(
        `${handler.name} failed, and WeChat Pay will repeat the notification: ${String(error)}`,
        error instanceof Error ? error.stack : undefined,
      );
      throw new HandlerError();
    }
  }

  /** A refused request can come from anyone, so the log has nothing of it. */
  private statusOf(error: unknown): number {
    if (error instanceof HandlerError) return 500;
    if (error instanceof TooLargeError) return 413;
    if (error instanceof InboxBusyError) return 503;
    if (!(error instanceof WechatError)) {
      this.logger.error(
        `A notification failed: ${String(error)}`,
        error instanceof Error ? error.stack : undefined,
      );
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

/** @internal */
interface OpenedNotification {
  notification: PayNotification;
  identity: string;
}

class TooLargeError extends Error {}
class HandlerError extends Error {}

const NO_STORE = { 'Cache-Control': 'no-store' };
const DONE: OutgoingResponse = { status: 204, headers: NO_STORE, body: '' };

function refuse(status: number): OutgoingResponse {
  return {
    status,
    headers: { ...NO_STORE, 'Content-Type': 'application/json' },
    body: JSON.stringify({ code: 'FAIL', message: TEXTS[status] ?? TEXTS[500] }),
  };
}

function requireBytes(body: unknown): void {
  if (Buffer.isBuffer(body)) return;
  throw new WechatConfigError([
    'handle() and open() need the exact bytes of the body as a Buffer. Start the application with { rawBody: true } and pass request.rawBody',
  ]);
}

function parse(text: string): PayJson {
  try {
    const json: unknown = JSON.parse(text);
    if (isObject(json)) return json;
  } catch {
    // the error below says it
  }
  throw new WechatBadRequestError('the notification is not a JSON object');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** By its fields, because one event type has several shapes. */
function toResource(content: PayJson): PayNotification['resource'] {
  if ('out_refund_no' in content && 'refund_status' in content) return toRefund(content) ?? content;
  if ('out_trade_no' in content && 'trade_state' in content)
    return toTransaction(content) ?? content;
  return content;
}

/**
 * Deliveries of one event have one identity. The hash keeps order numbers out of the keys of the store.
 *
 * @param text the decrypted resource, which identifies what has no number
 */
function identityOf({ eventType, resource }: PayNotification, text: string): string {
  const number = isPayRefund(resource)
    ? resource.outRefundNo
    : isPayTransaction(resource)
      ? resource.transactionId
      : undefined;
  return createHash('sha256')
    .update(`${eventType}\n${number ?? text}`)
    .digest('base64url');
}
