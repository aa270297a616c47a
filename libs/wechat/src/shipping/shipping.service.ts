import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { hasErrcode, OUTCOME } from '../platform/errcode.js';
import { requireOpenid, requireValid } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import { isParcelKind, KINDS, parcelProblem, shippingList } from './parcel.js';
import type { ShippingKind, ShippingParcel } from './parcel.js';

/**
 * The payment of an order: WeChat Pay's number, or the merchant's number.
 *
 * @example
 * ```ts
 * const order: ShippingOrderKey = { transactionId: '4200…' };
 * ```
 * @experimental
 */
export type ShippingOrderKey =
  | { transactionId: string; mchId?: undefined; outTradeNo?: undefined }
  | { mchId: string; outTradeNo: string; transactionId?: undefined };

/**
 * What was shipped, and how.
 *
 * @example
 * ```ts
 * const upload: ShippingUpload = { order: { transactionId }, openid, kind: 'pickup', parcels: [{ description: 'Latte' }] };
 * ```
 * @experimental
 */
export interface ShippingUpload {
  order: ShippingOrderKey;
  /** The openid of the payer. */
  openid: string;
  /** 物流配送 (express), 同城配送 (city), 虚拟商品 (virtual), 用户自提 (pickup). */
  kind: ShippingKind;
  /** One parcel: the whole order is shipped. 2 to 15 parcels, only for `express`: a split delivery. */
  parcels: ShippingParcel[];
  /** Whether the parcels are the whole order; required for a split delivery. */
  complete?: boolean;
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

/**
 * An order as 发货信息管理 has it.
 *
 * @example
 * ```ts
 * const found: ShippingOrder | undefined = await shipping.getOrder({ transactionId });      // { state: 'to-ship', transactionId: '4200…' }
 * ```
 * @experimental
 */
export interface ShippingOrder {
  /** Another state of WeChat is its number as text. `settling`: the money waits for its settlement. */
  state: ShippingState | (string & {});
  /** When the newest shipping information was uploaded. */
  uploadedAt?: Date;
  transactionId: string;
}

/**
 * 待发货 (to-ship), 已发货 (shipped), 确认收货 (received), 交易完成 (done), 已退款 (refunded), 资金待结算 (settling).
 *
 * @example
 * ```ts
 * const isShipped = (state: ShippingState) => ['shipped', 'received', 'done', 'settling'].includes(state);
 * ```
 * @experimental
 */
export type ShippingState = 'to-ship' | 'shipped' | 'received' | 'done' | 'refunded' | 'settling';

const UPLOAD = '/wxa/sec/order/upload_shipping_info';
const GET_ORDER = '/wxa/sec/order/get_order';
const IS_MANAGED = '/wxa/sec/order/is_trade_managed';
const NUMBER = /^[\w\-|*@]{1,64}$/;
const STATES: Record<number, ShippingState> = {
  1: 'to-ship',
  2: 'shipped',
  3: 'received',
  4: 'done',
  5: 'refunded',
  6: 'settling',
};

/**
 * Uploads shipping information (发货信息管理). WeChat requires it of most mini programs that sell goods: without it the merchant gets no
 * money, and payments can be blocked.
 *
 * @example
 * ```ts
 * await shipping.upload({ order: { transactionId }, openid, kind: 'express', parcels: [{ description: 'Coffee 1 kg', company: 'STO', trackingNo: '7731…' }] });
 * ```
 * @experimental
 */
@Injectable()
export class ShippingService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
  ) {}

  /**
   * Uploads the shipping information of an order. If WeChat has the same information already, it resolves.
   *
   * Another upload of a shipped order uses its only correction. So the upload is not repeated after a timeout or a broken connection:
   * call `getOrder`, and upload again only if the state is `to-ship`.
   *
   * Contacts are masked before they are sent: the last four digits stay, the four digits before them become `*`.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html
   * @throws WechatShippingError if the state of the order does not allow it (`errcode` says why), WechatBadRequestError, and what
   *   WechatApiClient.call throws
   */
  async upload(upload: ShippingUpload): Promise<void> {
    const { order, openid, kind, parcels, complete } = upload;
    requireOrderKey(order);
    requireOpenid(openid);
    requireValid(isParcelKind(kind), `kind must be one of: ${Object.keys(KINDS).join(', ')}`);
    requireValid(
      Array.isArray(parcels) && parcels.length >= 1 && parcels.length <= 15,
      'parcels must be 1 to 15 parcels',
    );
    const isSplit = parcels.length > 1;
    requireValid(!isSplit || kind === 'express', "several parcels are only for kind 'express'");
    requireValid(
      isSplit ? typeof complete === 'boolean' : complete !== false,
      isSplit
        ? 'complete must be true or false: whether the parcels are the whole order'
        : 'one parcel is the whole order; a split delivery has 2 to 15 parcels',
    );
    for (const parcel of parcels) {
      const problem = parcelProblem(parcel, kind);
      requireValid(problem === undefined, problem ?? '');
    }
    const body = {
      order_key: orderKey(order),
      logistics_type: KINDS[kind],
      delivery_mode: isSplit ? 2 : 1,
      ...(isSplit && { is_all_delivered: complete }),
      shipping_list: shippingList(parcels),
      upload_time: beijingTime(new Date()),
      payer: { openid },
    };
    try {
      await this.call(UPLOAD, body, upload.appId);
    } catch (error) {
      if (!hasErrcode(error, OUTCOME.shippingUnchanged)) throw error;
    }
  }

  /**
   * Returns an order, or `undefined` if WeChat does not know its payment. Shortly after the payment WeChat may not know it yet.
   *
   * @param appId the mini program; the first one by default
   * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html
   * @throws WechatBadRequestError, WechatResponseError if the response has no order, and what WechatApiClient.call throws
   */
  async getOrder(order: ShippingOrderKey, appId?: string): Promise<ShippingOrder | undefined> {
    requireOrderKey(order);
    const { transactionId, mchId, outTradeNo } = order;
    const body =
      transactionId === undefined
        ? { merchant_id: mchId, merchant_trade_no: outTradeNo }
        : { transaction_id: transactionId };
    try {
      return orderOf(await this.call(GET_ORDER, body, appId, 'idempotent'));
    } catch (error) {
      if (hasErrcode(error, OUTCOME.unknownOrder)) return undefined;
      throw error;
    }
  }

  /**
   * Returns whether the mini program must upload shipping information.
   *
   * @param appId the mini program; the first one by default
   * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html
   * @throws WechatResponseError if the response does not say it, and what WechatApiClient.call throws
   */
  async isManaged(appId?: string): Promise<boolean> {
    const { appId: appid } = await this.apps.require('mini-program', appId);
    const response = await this.call(IS_MANAGED, { appid }, appid, 'idempotent');
    const { is_trade_managed: isManaged } = response;
    if (typeof isManaged !== 'boolean')
      throw new WechatResponseError(`${IS_MANAGED} returned no is_trade_managed.`, {
        endpoint: IS_MANAGED,
      });
    return isManaged;
  }

  private async call(
    path: string,
    body: object,
    appId?: string,
    retry: 'single-use' | 'idempotent' = 'single-use',
  ): Promise<Record<string, unknown>> {
    const app = await this.apps.require('mini-program', appId);
    return this.api.call({ method: 'POST', path, body, appId: app.appId, retry });
  }
}

/** @throws WechatBadRequestError */
function requireOrderKey(order: ShippingOrderKey): void {
  const { transactionId, mchId, outTradeNo } = (order ?? {}) as Partial<Record<string, unknown>>;
  requireValid(
    transactionId === undefined
      ? isNumber(mchId) && isNumber(outTradeNo)
      : isNumber(transactionId) && mchId === undefined && outTradeNo === undefined,
    'order must be { transactionId } or { mchId, outTradeNo }',
  );
}

function isNumber(value: unknown): boolean {
  return typeof value === 'string' && NUMBER.test(value);
}

function orderKey({ transactionId, mchId, outTradeNo }: ShippingOrderKey): object {
  return transactionId === undefined
    ? { order_number_type: 1, mchid: mchId, out_trade_no: outTradeNo }
    : { order_number_type: 2, transaction_id: transactionId };
}

/** RFC 3339 with milliseconds, in the time zone of China. */
function beijingTime(time: Date): string {
  return new Date(time.getTime() + 8 * 3_600_000).toISOString().replace('Z', '+08:00');
}

/** @throws WechatResponseError */
function orderOf(response: Record<string, unknown>): ShippingOrder {
  const {
    order_state: state,
    transaction_id: transactionId,
    shipping,
  } = (response['order'] ?? {}) as Record<string, unknown>;
  if (!Number.isInteger(state) || typeof transactionId !== 'string')
    throw new WechatResponseError(`${GET_ORDER} returned no order.`, { endpoint: GET_ORDER });
  const uploadedAt = lastUpload(shipping);
  return {
    state: STATES[Number(state)] ?? String(state),
    ...(uploadedAt && { uploadedAt }),
    transactionId,
  };
}

function lastUpload(shipping: unknown): Date | undefined {
  const { shipping_list: list } = (shipping ?? {}) as { shipping_list?: unknown };
  const seconds = (Array.isArray(list) ? list : [])
    .map((parcel: { upload_time?: unknown } | null) => Number(parcel?.upload_time))
    .filter((time) => time > 0);
  return seconds.length > 0 ? new Date(Math.max(...seconds) * 1000) : undefined;
}
