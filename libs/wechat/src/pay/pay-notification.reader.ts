import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { MAX_BODY_BYTES, requireBytes } from '../inbox/request-body.js';
import { isObject } from '../is-object.js';
import { WechatBadRequestError, WechatCallbackError } from '../wechat.errors.js';
import { PayKeys } from './pay.keys.js';
import { ResolvedPayOptions } from './pay.options.js';
import type { EncryptedPayResource } from './pay.resource.js';
import type { PayHeaders } from './pay.signature.js';
import { isPayRefund, isPayTransaction, toDate, toRefund, toTransaction } from './pay.types.js';
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
  /** The case of the names does not matter. */
  headers: PayHeaders;
  /** The exact bytes. */
  body: Buffer;
}

/** A notification and its decrypted text. */
export interface OpenedNotification {
  notification: PayNotification;
  text: string;
}

/** The body exceeds 64 KB. */
class TooLargeError extends WechatBadRequestError {
  override getStatus(): number {
    return 413;
  }
}

/** Verifies and decrypts notifications. */
@Injectable()
export class PayNotificationReader {
  constructor(
    private readonly keys: PayKeys,
    private readonly options: ResolvedPayOptions,
  ) {}

  /**
   * @returns a promise only if a key must be downloaded. A refusal is thrown: a rejected promise costs a fifth more
   * @throws WechatCallbackError, WechatBadRequestError, WechatUnavailableError, WechatConfigError
   */
  read({
    headers,
    body,
  }: PayNotificationRequest): OpenedNotification | Promise<OpenedNotification> {
    requireBytes(body);
    if (body.length > MAX_BODY_BYTES)
      throw new TooLargeError('the body of a notification has at most 64 KB');
    const verifiedBy = this.keys.verify(headers, body);
    return typeof verifiedBy === 'string'
      ? this.openVerified(body, verifiedBy)
      : verifiedBy.then((serial) => this.openVerified(body, serial));
  }

  private openVerified(body: Buffer, verifiedBy: string): OpenedNotification {
    const message = parse(body.toString('utf8'));
    const { resource } = message;
    if (!isObject(resource)) throw new WechatBadRequestError('the notification has no resource');
    const text = this.keys.decrypt(resource as unknown as EncryptedPayResource);
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
    return { notification, text };
  }
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
 * Deliveries of one event have one identity: the number of the payment or refund, or else the decrypted text. The hash keeps
 * order numbers out of the keys of the store. Merchants may share a store, and a refund number belongs to its merchant.
 */
export function identityOf({ notification, text }: OpenedNotification): string {
  const { eventType, mchId, resource } = notification;
  const number = isPayRefund(resource)
    ? resource.outRefundNo
    : isPayTransaction(resource)
      ? resource.transactionId
      : undefined;
  return createHash('sha256')
    .update(`${mchId}\n${eventType}\n${number ?? text}`)
    .digest('base64url');
}
