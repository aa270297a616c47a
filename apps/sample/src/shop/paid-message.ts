import { WechatConfigError } from 'nestjs-wechat';
import type { Order } from './order.entity.js';

/** SUBSCRIBE_ORDER_PAID: the template of the merchant, and the values of its keys. */
export interface PaidMessage {
  templateId: string;
  data: Record<string, string>;
  page?: string;
}

const PLACEHOLDER = /\{(\w*)\}/g;
const BEIJING_MS = 8 * 3600_000;

/** The texts that `{name}` stands for. Times are those of Beijing. */
const VALUES: Record<string, (order: Order) => string> = {
  id: ({ id }) => id,
  number: ({ number }) => number,
  product: ({ productName }) => productName,
  quantity: ({ quantity }) => String(quantity),
  amount: ({ amount }) => (amount / 100).toFixed(2),
  paidAt: ({ paidAt }) => minuteOf(paidAt ?? new Date()),
};

/**
 * Reads SUBSCRIBE_ORDER_PAID.
 * @throws WechatConfigError
 */
export function readPaidMessage(text: string | undefined): PaidMessage | undefined {
  if (text === undefined) return undefined;
  const message = parse(text);
  if (!isPaidMessage(message))
    throw new WechatConfigError([
      'SUBSCRIBE_ORDER_PAID must be JSON: {"templateId":"…","data":{"thing1":"{product}"},"page":"…"}; page is optional',
    ]);
  const texts = [...Object.values(message.data), message.page ?? ''];
  const names = texts.flatMap((one) => [...one.matchAll(PLACEHOLDER)].map(([, name = '']) => name));
  if (names.every((name) => Object.hasOwn(VALUES, name))) return message;
  throw new WechatConfigError([
    `SUBSCRIBE_ORDER_PAID has an unknown {name}; known are: ${Object.keys(VALUES).join(', ')}`,
  ]);
}

/** Replaces each `{name}` of a text by its value in the order. */
export function fillIn(text: string, order: Order): string {
  return text.replaceAll(PLACEHOLDER, (_, name: string) => VALUES[name]?.(order) ?? '');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPaidMessage(value: unknown): value is PaidMessage {
  const { templateId, data, page } = Object(value) as Record<string, unknown>;
  return (
    typeof templateId === 'string' &&
    templateId !== '' &&
    typeof data === 'object' &&
    data !== null &&
    Object.keys(data).length > 0 &&
    Object.values(data).every((one) => typeof one === 'string') &&
    (page === undefined || typeof page === 'string')
  );
}

/** `2026-11-20 16:00` */
function minuteOf(time: Date): string {
  const [day = '', clock = ''] = new Date(time.getTime() + BEIJING_MS).toISOString().split('T');
  return `${day} ${clock.slice(0, 5)}`;
}
