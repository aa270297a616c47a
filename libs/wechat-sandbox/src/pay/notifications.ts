import { randomUUID } from 'node:crypto';
import type { Deliveries } from '../deliveries/deliveries.js';
import type { Delivery, Letter, Message, Tampering } from '../deliveries/delivery.js';
import { milliseconds, type Duration, type SandboxClock } from '../world/clock.js';
import type { PayMerchant } from './merchant.js';
import {
  beijingTime,
  encryptResource,
  newRequestId,
  signatureHeaders,
  type PlatformKey,
} from './signing.js';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * The pauses between the attempts: 15 repeats in 24 hours and 4 minutes.
 * @see https://pay.weixin.qq.com/doc/v3/merchant/4012791902
 */
const REPEAT_AFTER_MS = [
  15 * SECOND_MS,
  15 * SECOND_MS,
  30 * SECOND_MS,
  3 * MINUTE_MS,
  10 * MINUTE_MS,
  20 * MINUTE_MS,
  30 * MINUTE_MS,
  30 * MINUTE_MS,
  30 * MINUTE_MS,
  60 * MINUTE_MS,
  3 * HOUR_MS,
  3 * HOUR_MS,
  3 * HOUR_MS,
  6 * HOUR_MS,
  6 * HOUR_MS,
];

/** The contents of a notification. */
export interface NotificationContent {
  /** `TRANSACTION.SUCCESS` */
  event: string;
  /** `transaction` or `refund`. */
  originalType: string;
  summary: string;
  /** A title for the list of deliveries. */
  title: string;
  url: string;
  resource: object;
  /** The age of the signature in real time. @default 0 */
  age?: Duration;
  /** Replaces `Wechatpay-Serial`. @default the serial of the key that signs */
  serial?: string;
  /** The signature is wrong, and no attempt follows. @default false */
  forged?: boolean;
}

/** Encrypts, signs and sends WeChat Pay's notifications. */
export class Notifications {
  constructor(
    private readonly clock: SandboxClock,
    private readonly deliveries: Deliveries,
  ) {}

  /** Starts a notification. Resolves after its first attempt. */
  send(merchant: PayMerchant, content: NotificationContent): Promise<Delivery> {
    return this.deliveries.send(new Notification(merchant, content, this.clock.now()));
  }
}

/** One notification. All attempts have the same body, and each attempt has a new signature. */
class Notification implements Message {
  readonly kind = 'pay';
  readonly title: string;
  readonly url: string;
  readonly repeatAfter: readonly number[];
  private readonly body: Buffer;

  constructor(
    private readonly merchant: PayMerchant,
    private readonly content: NotificationContent,
    now: number,
  ) {
    const { title, url, event, originalType, summary, resource } = content;
    this.title = title;
    this.url = url;
    this.repeatAfter = content.forged ? [] : REPEAT_AFTER_MS;
    const encrypted = encryptResource(JSON.stringify(resource), originalType, merchant.apiV3Key);
    this.body = jsonBytes({
      id: randomUUID(),
      create_time: beijingTime(now),
      resource_type: 'encrypt-resource',
      event_type: event,
      summary,
      resource: { original_type: originalType, ...encrypted },
    });
  }

  isAcknowledgement(status: number): boolean {
    return status === 200 || status === 204;
  }

  isRepeatedAfter(): boolean {
    return true;
  }

  write(fault?: Tampering | 'signTest'): Letter {
    const tampering = this.content.forged ? 'signature' : fault;
    const key = this.merchant.notificationKey;
    const body = tampering === 'ciphertext' ? withBrokenCiphertext(this.body) : this.body;
    const signed = this.sign(key, tampering === 'signature' ? Buffer.from('{}') : body);
    const headers = tampering === 'signTest' ? asProbe(signed) : signed;
    // a space after the JSON, so that only the signature shows the change
    return { headers, body: tampering === 'body' ? Buffer.concat([body, Buffer.from(' ')]) : body };
  }

  private sign(key: PlatformKey, body: Buffer): Record<string, string> {
    const { age = 0, serial } = this.content;
    return {
      'Content-Type': 'application/json',
      Accept: '*/*',
      'User-Agent': 'Mozilla/4.0',
      'Request-ID': newRequestId(0),
      ...signatureHeaders(key, body, Date.now() - milliseconds(age)),
      ...(serial !== undefined && { 'Wechatpay-Serial': serial }),
    };
  }
}

const jsonBytes = (json: unknown): Buffer => Buffer.from(JSON.stringify(json));

function asProbe(headers: Record<string, string>): Record<string, string> {
  const signature = `WECHATPAY/SIGNTEST/${headers['Wechatpay-Signature']}`;
  return { ...headers, 'Wechatpay-Signature': signature };
}

function withBrokenCiphertext(body: Buffer): Buffer {
  const json = JSON.parse(body.toString('utf8')) as { resource: { ciphertext: string } };
  const bytes = Buffer.from(json.resource.ciphertext, 'base64');
  bytes[0]! ^= 1;
  json.resource.ciphertext = bytes.toString('base64');
  return jsonBytes(json);
}
