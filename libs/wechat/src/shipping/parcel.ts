import { isText } from '../platform/wechat-text.js';

/**
 * How an order is shipped: 物流配送 (express), 同城配送 (city), 虚拟商品 (virtual), 用户自提 (pickup).
 *
 * @example
 * ```ts
 * const kind: ShippingKind = 'pickup';
 * ```
 * @experimental
 */
export type ShippingKind = 'express' | 'city' | 'virtual' | 'pickup';

/**
 * One parcel.
 *
 * @example
 * ```ts
 * const parcel: ShippingParcel = { description: 'Coffee 1 kg', company: 'SF', trackingNo: 'SF100…', receiverContact: '13580006666' };
 * ```
 * @experimental
 */
export interface ShippingParcel {
  /** What is in it: 1 to 120 characters. */
  description: string;
  /** Required for `express`: up to 128 bytes. */
  trackingNo?: string;
  /** WeChat's id of the express company, such as `STO` or `SF`. Required for `express`. */
  company?: string;
  /** The receiver's phone number. It is masked before it is sent. 顺丰 (`SF`) requires it or `senderContact`. */
  receiverContact?: string;
  /** The sender's phone number. It is masked before it is sent. */
  senderContact?: string;
}

/** WeChat's `logistics_type`. */
export const KINDS: Record<ShippingKind, number> = { express: 1, city: 2, virtual: 3, pickup: 4 };

const MAX_DESCRIPTION = 120;
const MAX_BYTES = 128;
/** WeChat's id of 顺丰, the only company that needs a contact. */
const SF = 'SF';
/** A phone number as people write it. It may be masked already. */
const CONTACT = /^[\d+*() -]{5,32}$/;

export function isParcelKind(kind: unknown): kind is ShippingKind {
  return typeof kind === 'string' && Object.hasOwn(KINDS, kind);
}

/** Returns what is wrong with a parcel, without its values, or `undefined`. */
export function parcelProblem(parcel: ShippingParcel, kind: ShippingKind): string | undefined {
  const { description, trackingNo, company, receiverContact, senderContact } = (parcel ??
    {}) as Partial<ShippingParcel>;
  if (!isText(description, 1, MAX_DESCRIPTION) || description.trim() === '')
    return `the description of a parcel must have 1 to ${MAX_DESCRIPTION} characters`;
  for (const [name, value] of Object.entries({ trackingNo, company })) {
    if (value === undefined && kind === 'express') return `kind 'express' requires ${name}`;
    if (value !== undefined && !isShort(value)) return `${name} must have 1 to ${MAX_BYTES} bytes`;
  }
  for (const [name, value] of Object.entries({ receiverContact, senderContact }))
    if (value !== undefined && !isContact(value))
      return `${name} must be a phone number that ends with four digits`;
  if (company === SF && receiverContact === undefined && senderContact === undefined)
    return `company ${SF} requires receiverContact or senderContact`;
  return undefined;
}

/** WeChat's `shipping_list`. */
export function shippingList(parcels: ShippingParcel[]): object[] {
  return parcels.map(({ description, trackingNo, company, receiverContact, senderContact }) => ({
    item_desc: description,
    tracking_no: trackingNo,
    express_company: company,
    ...((receiverContact ?? senderContact) !== undefined && {
      contact: {
        receiver_contact: receiverContact && maskContact(receiverContact),
        consignor_contact: senderContact && maskContact(senderContact),
      },
    }),
  }));
}

/** Replaces the four digits before the last four digits by `*`, as WeChat requires: `+86-177****1234`. */
function maskContact(contact: string): string {
  let digits = 0;
  return Array.from(contact)
    .toReversed()
    .map((character) => {
      if (!/[\d*]/.test(character)) return character;
      digits += 1;
      return digits > 4 && digits <= 8 ? '*' : character;
    })
    .toReversed()
    .join('');
}

function isContact(value: unknown): boolean {
  return typeof value === 'string' && CONTACT.test(value) && /(\d[^\d*]*){4}$/.test(value);
}

function isShort(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    /^[\x21-\x7e]+$/.test(value) &&
    Buffer.byteLength(value) <= MAX_BYTES
  );
}
