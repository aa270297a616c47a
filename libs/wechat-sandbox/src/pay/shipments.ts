import { isDeepStrictEqual } from 'node:util';
import type { Agenda } from '../world/agenda.js';
import { BoundedMap } from '../world/bounded-map.js';
import { unixSeconds } from '../world/clock.js';
import { WechatFailure } from '../world/wechat-failure.js';
import type { World } from '../world/world.js';
import type { PayMerchant } from './merchant.js';
import type { OrderRecord } from './order.js';
import type { Orders } from './orders.js';
import type { Refunds } from './refunds.js';

/** One parcel, as it was uploaded. */
export interface ShippedParcel {
  tracking_no: string;
  express_company: string;
  item_desc: string;
  contact?: object;
}

/** The shipping information of one call of `upload_shipping_info`. */
export interface ShippingUpload {
  logisticsType: number;
  /** 1 unified, 2 split. */
  deliveryMode: number;
  isComplete: boolean;
  parcels: ShippedParcel[];
  /** `upload_time` of the call. */
  uploadedAt: Date;
}

/** What WeChat has about the shipping of one order. */
export interface Shipment extends Omit<ShippingUpload, 'parcels'> {
  parcels: (ShippedParcel & { uploadedAt: Date })[];
  /** The one chance to change shipping information is used. */
  isCorrected: boolean;
}

/** `order_state` of `get_order`. */
const ORDER_STATE = { toShip: 1, shipped: 2, received: 3, refunded: 5 } as const;

const KEPT = 20_000;
const MOST_PARCELS = 15;
const REMINDED_AFTER_MS = 48 * 3600_000;
/** The order is received by itself after this time. WeChat's time depends on the goods. */
const RECEIVED_AFTER_MS = 10 * 86_400_000;

/** 发货信息管理: the shipping information of paid orders. */
export class Shipments {
  private readonly shipments = new BoundedMap<string, Shipment>(KEPT);
  /** When an order was shipped completely, by the sandbox's clock. */
  private readonly shippedAt = new BoundedMap<string, number>(KEPT);

  constructor(
    private readonly world: World,
    private readonly agenda: Agenda,
    private readonly merchants: readonly PayMerchant[],
    private readonly orders: Orders,
    private readonly refunds: Refunds,
  ) {}

  /** The paid order of an app. Throws 10060001 if WeChat does not know it. */
  order(
    appId: string,
    key: { transactionId: string } | { mchId: string; outTradeNo: string },
  ): OrderRecord {
    const found = this.merchants
      .filter(({ mchId }) => 'transactionId' in key || mchId === key.mchId)
      .map((merchant) =>
        'transactionId' in key
          ? this.orders.findByTransaction(merchant, key.transactionId)
          : this.orders.find(merchant, key.outTradeNo),
      );
    const order = found.find((one) => one?.isPaid && one.appId === appId);
    if (!order) throw new WechatFailure(10060001);
    return order;
  }

  of({ transactionId }: OrderRecord): Shipment | undefined {
    return this.shipments.get(transactionId!);
  }

  state(order: OrderRecord): number {
    if (this.isRefunded(order)) return ORDER_STATE.refunded;
    const shippedAt = this.shippedAt.get(order.transactionId!);
    if (shippedAt === undefined) return ORDER_STATE.toShip;
    return this.world.clock.now() >= shippedAt + RECEIVED_AFTER_MS
      ? ORDER_STATE.received
      : ORDER_STATE.shipped;
  }

  /**
   * Takes shipping information. A split delivery collects parcels until it is complete. After that, and for another type or mode, there
   * is one chance to change it. The same information again changes nothing.
   */
  upload(order: OrderRecord, upload: ShippingUpload): void {
    const state = this.state(order);
    if (state === ORDER_STATE.refunded) throw new WechatFailure(10060004);
    if (state === ORDER_STATE.received) throw new WechatFailure(10060002);
    const earlier = this.of(order);
    if (earlier && contains(earlier, upload)) throw new WechatFailure(10060023);
    if (earlier && upload.uploadedAt < earlier.uploadedAt) throw new WechatFailure(10060014);
    const isCorrection =
      earlier !== undefined && (earlier.isComplete || !isSameWay(earlier, upload));
    if (isCorrection && earlier.isCorrected) throw new WechatFailure(10060003);
    const kept = isCorrection ? [] : (earlier?.parcels ?? []);
    const { uploadedAt } = upload;
    const parcels = [...kept, ...upload.parcels.map((parcel) => ({ ...parcel, uploadedAt }))];
    if (parcels.length > MOST_PARCELS) throw new WechatFailure(10060024);
    const isCorrected = isCorrection || (earlier?.isCorrected ?? false);
    this.shipments.set(order.transactionId!, { ...upload, parcels, isCorrected });
    if (upload.isComplete && !this.shippedAt.has(order.transactionId!)) this.onShipped(order);
  }

  /** An order is paid. WeChat reminds the merchant after 48 hours if it is not shipped by then. */
  onPaid(order: OrderRecord): void {
    this.agenda.add(this.world.clock.now() + REMINDED_AFTER_MS, async () => {
      if (this.state(order) === ORDER_STATE.toShip)
        this.push(order, 'trade_manage_remind_shipping');
    });
  }

  private onShipped(order: OrderRecord): void {
    const shippedAt = this.world.clock.now();
    const settlement = shippedAt + RECEIVED_AFTER_MS;
    this.shippedAt.set(order.transactionId!, shippedAt);
    const times = {
      shipped_time: unixSeconds(shippedAt),
      estimated_settlement_time: unixSeconds(settlement),
    };
    this.push(order, 'trade_manage_order_settlement', times);
    this.agenda.add(settlement, async () => {
      if (this.state(order) === ORDER_STATE.received)
        this.push(order, 'trade_manage_order_settlement', {
          ...times,
          confirm_receive_method: 2, // by itself
          confirm_receive_time: unixSeconds(settlement),
          settlement_time: unixSeconds(settlement),
        });
    });
  }

  private push(order: OrderRecord, event: string, times: object = {}): void {
    const { appId, transactionId, mchId, outTradeNo, paidAt } = order;
    if (this.world.apps.find(appId)?.tradeManaged === false) return;
    void this.world.pushes?.emit(appId, {
      MsgType: 'event',
      Event: event,
      transaction_id: transactionId,
      merchant_id: mchId,
      sub_merchant_id: '',
      merchant_trade_no: outTradeNo,
      pay_time: unixSeconds(paidAt!.getTime()),
      ...times,
      msg: '请及时处理订单',
    });
  }

  private isRefunded(order: OrderRecord): boolean {
    const refunded = this.refunds
      .of(order)
      .filter(({ status }) => status === 'SUCCESS')
      .reduce((sum, { amount }) => sum + amount, 0);
    return refunded >= order.amount;
  }
}

const isSameWay = (one: Shipment, other: ShippingUpload): boolean =>
  one.logisticsType === other.logisticsType && one.deliveryMode === other.deliveryMode;

/** Whether the upload says nothing new; its time does not count. */
function contains(earlier: Shipment, upload: ShippingUpload): boolean {
  const known = earlier.parcels.map(({ uploadedAt: _uploadedAt, ...parcel }) => parcel);
  const isKnown = (parcel: ShippedParcel): boolean =>
    known.some((one) => isDeepStrictEqual(one, parcel));
  return (
    isSameWay(earlier, upload) &&
    earlier.isComplete === upload.isComplete &&
    upload.parcels.every(isKnown)
  );
}
