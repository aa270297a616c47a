import type { OrderRecord } from '../pay/order.js';
import type { ShippedParcel, Shipments } from '../pay/shipments.js';
import { isObject } from '../transport/request.js';
import type { PlatformRequest } from '../transport/request.js';
import type { PlatformRoute } from '../transport/response.js';
import type { SandboxApp } from '../world/apps.js';
import { unixSeconds } from '../world/clock.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import { jsonBody, OK, tokenApi } from './checks.js';

type Body = Record<string, unknown>;

const EXPRESS = 1;
const UNIFIED = 1;
const SPLIT = 2;
const MOST_PARCELS = 15;
const LONGEST_DESCRIPTION = 120;
const LONGEST_TEXT_BYTES = 128;
/** 顺丰 needs the contact of the sender or of the receiver. */
const SF = 'SF';
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$/;
/** `+86-177****1234`: the last four digits are plain, and the four before them are hidden. */
const MASKED = /^[\d+() -]*(\*[^\d*]*){1,4}(\d[^\d*]*){4}$/;

/**
 * 发货信息管理.
 * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/business-capabilities/order-shipping/order-shipping.html
 */
export function shippingRoutes(world: World, shipments: Shipments): PlatformRoute[] {
  return [
    tokenApi(world, 'POST', '/wxa/sec/order/upload_shipping_info', (app, request) =>
      upload(shipments, app, request),
    ),
    tokenApi(world, 'POST', '/wxa/sec/order/get_order', (app, request) =>
      getOrder(shipments, app, request),
    ),
    tokenApi(world, 'POST', '/wxa/sec/order/is_trade_managed', (app, request) =>
      isTradeManaged(app, request),
    ),
  ];
}

function upload(shipments: Shipments, { appId }: SandboxApp, request: PlatformRequest): object {
  const body = jsonBody(request);
  const { logistics_type: logisticsType, delivery_mode: deliveryMode } = body;
  const key = orderKey(body['order_key']);
  if (![1, 2, 3, 4].includes(logisticsType as number)) throw new WechatFailure(10060005);
  if (deliveryMode !== UNIFIED && deliveryMode !== SPLIT) throw new WechatFailure(268485224);
  if (deliveryMode === SPLIT && logisticsType !== EXPRESS) throw new WechatFailure(10060006);
  const { is_all_delivered: isAll } = body;
  if (deliveryMode === SPLIT && typeof isAll !== 'boolean') throw new WechatFailure(10060007);
  const parcels = parcelsOf(body, logisticsType === EXPRESS);
  const { upload_time: uploadTime, payer } = body;
  if (typeof uploadTime !== 'string' || !RFC_3339.test(uploadTime))
    throw new WechatFailure(268485216);
  const order = shipments.order(appId, key);
  if (!isObject(payer) || payer['openid'] !== order.openid) throw new WechatFailure(10060031);
  shipments.upload(order, {
    logisticsType: Number(logisticsType),
    deliveryMode,
    isComplete: deliveryMode === UNIFIED || isAll === true,
    parcels,
    uploadedAt: new Date(uploadTime),
  });
  return OK;
}

function orderKey(key: unknown): { transactionId: string } | { mchId: string; outTradeNo: string } {
  const { order_number_type: type, transaction_id, mchid, out_trade_no } = isObject(key) ? key : {};
  if (type !== 1 && type !== 2) throw new WechatFailure(268485194);
  if (type === 2) return { transactionId: need(transaction_id, 268485195) };
  return { mchId: need(mchid, 268485196), outTradeNo: need(out_trade_no, 268485197) };
}

function need(value: unknown, refusal: number): string {
  if (typeof value !== 'string' || value === '') throw new WechatFailure(refusal);
  return value;
}

function parcelsOf(
  { shipping_list: list, delivery_mode: mode }: Body,
  isExpress: boolean,
): ShippedParcel[] {
  if (!Array.isArray(list) || !list.every(isObject)) throw new WechatFailure(10060014);
  if (mode === UNIFIED && list.length !== 1) throw new WechatFailure(268485228);
  if (list.length > MOST_PARCELS) throw new WechatFailure(10060024);
  if (list.every((parcel) => parcel['item_desc'] === undefined)) throw new WechatFailure(10060020);
  return list.map((parcel) => parcelOf(parcel, isExpress));
}

function parcelOf(parcel: Body, isExpress: boolean): ShippedParcel {
  const { tracking_no: number = '', express_company: company = '', item_desc: text } = parcel;
  if (typeof number !== 'string' || typeof company !== 'string') throw new WechatFailure(10060014);
  if (isExpress && number === '') throw new WechatFailure(268485226);
  if (isExpress && company === '') throw new WechatFailure(268485227);
  if (Buffer.byteLength(number) > LONGEST_TEXT_BYTES) throw new WechatFailure(10060026);
  if (Buffer.byteLength(company) > LONGEST_TEXT_BYTES) throw new WechatFailure(10060025);
  if (typeof text !== 'string' || text === '') throw new WechatFailure(10060008);
  if (Array.from(text).length > LONGEST_DESCRIPTION) throw new WechatFailure(10060009);
  const contact = contactOf(parcel['contact']);
  if (company === SF && !contact) throw new WechatFailure(10060014);
  return {
    tracking_no: number,
    express_company: company,
    item_desc: text,
    ...(contact && { contact }),
  };
}

/** A contact that is not masked is refused. */
function contactOf(contact: unknown): object | undefined {
  if (contact === undefined) return undefined;
  const { receiver_contact: receiver, consignor_contact: sender } = isObject(contact)
    ? contact
    : {};
  const numbers = [receiver, sender].filter((number) => number !== undefined);
  const isMasked = numbers.every((number) => typeof number === 'string' && MASKED.test(number));
  if (numbers.length === 0 || !isMasked) throw new WechatFailure(10060014);
  return contact as object;
}

function getOrder(shipments: Shipments, { appId }: SandboxApp, request: PlatformRequest): object {
  const { transaction_id, merchant_id, merchant_trade_no } = jsonBody(request);
  const key =
    transaction_id === undefined
      ? { mchId: need(merchant_id, 10060014), outTradeNo: need(merchant_trade_no, 10060014) }
      : { transactionId: need(transaction_id, 10060014) };
  const order = shipments.order(appId, key);
  return { ...OK, order: described(shipments, order) };
}

/** An order as `get_order` shows it. */
function described(shipments: Shipments, order: OrderRecord): object {
  const shipment = shipments.of(order);
  const { transactionId, outTradeNo, mchId, description, amount, openid, createdAt, paidAt } =
    order;
  return {
    transaction_id: transactionId,
    merchant_trade_no: outTradeNo,
    merchant_id: mchId,
    sub_merchant_id: '',
    description,
    paid_amount: amount,
    openid,
    trade_create_time: unixSeconds(createdAt.getTime()),
    pay_time: unixSeconds(paidAt!.getTime()),
    in_complaint: false,
    order_state: shipments.state(order),
    ...(shipment && {
      shipping: {
        delivery_mode: shipment.deliveryMode,
        logistics_type: shipment.logisticsType,
        finish_shipping: shipment.isComplete,
        finish_shipping_count: shipment.isCorrected ? 2 : Number(shipment.isComplete),
        goods_desc: shipment.parcels[0]?.item_desc,
        shipping_list: shipment.parcels.map(({ item_desc, uploadedAt, ...parcel }) => ({
          ...parcel,
          goods_desc: item_desc,
          upload_time: unixSeconds(uploadedAt.getTime()),
        })),
      },
    }),
  };
}

function isTradeManaged(app: SandboxApp, request: PlatformRequest): object {
  const { appid } = jsonBody(request);
  if (appid === undefined || appid === '') throw new WechatFailure(40097);
  if (appid !== app.appId) throw new WechatFailure(40013);
  return { ...OK, is_trade_managed: app.tradeManaged };
}
