import { randomBytes } from 'node:crypto';
import type { Deliveries } from '../deliveries/deliveries.js';
import type { Delivery } from '../deliveries/delivery.js';
import type { Agenda } from '../world/agenda.js';
import type { Duration } from '../world/clock.js';
import type {
  PayOutcome,
  RequestPaymentOptions,
  RequestPaymentParams,
} from '../world/request-payment.js';
import { SandboxError } from '../world/sandbox-error.js';
import type { SandboxUser } from '../world/user.js';
import type { World } from '../world/world.js';
import { Bills } from './bills.js';
import { registerMerchants, type PayMerchant, type PayMerchantOptions } from './merchant.js';
import { Notifications } from './notifications.js';
import type { OrderRecord, PayOrder } from './order.js';
import { Orders } from './orders.js';
import { PayFailure } from './pay-failure.js';
import { openPaySheet, openScannedCode, type PaySheet } from './phone.js';
import type { PayRefund, RefundRecord, RefundStatus } from './refund.js';
import { Refunds } from './refunds.js';
import { Shipments } from './shipments.js';

/** WeChat Pay's part of `startWechatSandbox()`. */
export interface PayOptions {
  /** @default one merchant of the first mini program, which verifies with the public key */
  merchants?: readonly PayMerchantOptions[];
}

/** The changes that `wechat.pay.notify()` makes to a notification. */
export interface NotifyOptions {
  /** A `REFUND.*` event is about the newest refund of the order. @default 'TRANSACTION.SUCCESS' */
  event?: string;
  /** Fields of the decrypted resource that are replaced: `{ amount: 1, currency: 'USD', mchid: '…', appid: '…', openid: '…', … }`. */
  over?: Record<string, unknown>;
  /** The age of the signature in real time. @default '0s' */
  age?: Duration;
  /** Replaces `Wechatpay-Serial`. */
  serial?: string;
  /** @default the merchant that has an order with this number */
  mchId?: string;
}

/** WeChat Pay: merchants, orders, refunds, notifications. */
export class WechatPay {
  /** All merchants. */
  readonly merchants: readonly PayMerchant[];
  /** @internal */
  readonly orderBook: Orders;
  /** @internal */
  readonly refundBook: Refunds;
  /** @internal */
  readonly shipments: Shipments;
  /** @internal */
  readonly bills: Bills;
  private readonly notifications: Notifications;

  /** @internal Use `wechat.pay`. */
  constructor(
    private readonly world: World,
    deliveries: Deliveries,
    agenda: Agenda,
    { merchants = [{}] }: PayOptions,
    baseUrl: () => string,
  ) {
    const miniPrograms = world.apps.all.filter(({ kind }) => kind === 'mini-program');
    const appIds = miniPrograms.map(({ appId }) => appId);
    this.merchants = registerMerchants(merchants, appIds, baseUrl);
    this.orderBook = new Orders(world.clock, world.users, world.apps);
    this.notifications = new Notifications(world.clock, deliveries);
    this.refundBook = new Refunds(world.clock, agenda, this.orderBook, (refund) =>
      this.notifyRefund(refund),
    );
    this.shipments = new Shipments(world, agenda, this.merchants, this.orderBook, this.refundBook);
    this.bills = new Bills(world.clock, this.orderBook, this.refundBook, baseUrl);
  }

  /** The first merchant. */
  get merchant(): PayMerchant {
    return this.merchants[0]!;
  }

  /** All orders, the oldest first. Only the newest 20 000 are stored. */
  get orders(): PayOrder[] {
    return this.orderBook.all;
  }

  /** The order with this number. */
  order(outTradeNo: string): PayOrder | undefined {
    return this.find(outTradeNo)?.view();
  }

  /** All refunds, the oldest first. Only the newest 20 000 are stored. */
  get refunds(): PayRefund[] {
    return this.refundBook.all;
  }

  /**
   * Sets the status of a refund now. Otherwise it succeeds after 3 s of the sandbox's clock. An abnormal refund can still succeed or be closed.
   *
   * @returns the refund. Its notification is sent in the background
   */
  settleRefund(outRefundNo: string, status: Exclude<RefundStatus, 'PROCESSING'>): PayRefund {
    const refund = this.findRefund(outRefundNo);
    if (!['SUCCESS', 'ABNORMAL', 'CLOSED'].includes(status))
      throw new SandboxError(`A refund ends as 'SUCCESS', 'ABNORMAL' or 'CLOSED'.`);
    const possible =
      refund.status === 'PROCESSING' || (refund.status === 'ABNORMAL' && status !== 'ABNORMAL');
    if (!possible) throw new SandboxError(`The refund ${outRefundNo} is ${refund.status} already.`);
    this.refundBook.settle(refund, status);
    return refund.view();
  }

  /** Refunds an order as in the merchant console: with a new number and without a notification. */
  refundInConsole(outTradeNo: string, { amount }: { amount?: number } = {}): PayRefund {
    const order = this.findOrder(outTradeNo);
    const number = `console-${randomBytes(8).toString('hex')}`;
    try {
      return this.refundBook.createInConsole(order, number, amount ?? order.amount).view();
    } catch (error) {
      if (error instanceof PayFailure) throw new SandboxError(error.message, { cause: error });
      throw error;
    }
  }

  /**
   * Sets the percentage of notifications that the public key signs, for merchants that switch. The key is chosen at random for each message.
   *
   * @param mchId default: every merchant that switches
   */
  switchTo(percent: number, mchId?: string): void {
    if (!Number.isInteger(percent) || percent < 0 || percent > 100)
      throw new SandboxError('percent must be a whole number from 0 to 100.');
    const switching = this.merchants.filter(
      (merchant) =>
        merchant.verifyWith === 'switching' && (mchId === undefined || merchant.mchId === mchId),
    );
    if (switching.length === 0)
      throw new SandboxError(
        "There is no merchant that switches. Start the sandbox with pay: { merchants: [{ verifyWith: 'switching' }] }.",
      );
    for (const merchant of switching) merchant.publicKeyPercent = percent;
  }

  /**
   * Sends a notification with changed fields and a correct signature. It is repeated like any other.
   *
   * @returns the delivery after its first attempt
   */
  async notify(outTradeNo: string, options: NotifyOptions = {}): Promise<Delivery> {
    return this.startNotification(outTradeNo, options);
  }

  /** @internal Sends a notification that says that an order is paid, with a wrong signature and once. */
  async forge(outTradeNo: string): Promise<Delivery> {
    const over = { trade_state: 'SUCCESS', transaction_id: '4200000000000000000000000000' };
    return this.startNotification(outTradeNo, { over }, true);
  }

  private startNotification(
    outTradeNo: string,
    options: NotifyOptions,
    forged = false,
  ): Promise<Delivery> {
    const { event = 'TRANSACTION.SUCCESS', over = {}, age, serial, mchId } = options;
    const order = this.findOrder(outTradeNo, mchId);
    const refund = event.startsWith('REFUND.') && this.refundBook.of(order).at(-1);
    return this.notifications.send(order.merchant, {
      event,
      originalType: refund ? 'refund' : 'transaction',
      summary: SUMMARIES[event] ?? event,
      title: `${event} ${outTradeNo}`,
      url: (refund && refund.notifyUrl) || order.notifyUrl,
      resource: overlay(refund ? refund.notice() : order.transaction(), over),
      age,
      serial,
      forged,
    });
  }

  /** @internal A notification that belongs to no order. */
  notifyOf(merchant: PayMerchant, event: string, url: string, resource: object): Promise<Delivery> {
    return this.notifications.send(merchant, {
      event,
      originalType: 'echo',
      summary: event,
      title: event,
      url,
      resource,
    });
  }

  /** @internal The implementation of `wx.requestPayment`. */
  requestPayment(
    user: SandboxUser,
    params: RequestPaymentParams,
    { outcome = 'ok', appId }: RequestPaymentOptions,
  ): { errMsg: string } {
    const app = this.world.apps.pick('mini-program', appId);
    const sheet = openPaySheet(this.orderBook, user, app.appId, params);
    return { errMsg: `requestPayment:${this.decide(user, sheet, outcome)}` };
  }

  /** @internal The camera of WeChat on the code of a Native order. */
  scanPayCode(user: SandboxUser, codeUrl: string, outcome: PayOutcome): { errMsg: string } {
    const sheet = openScannedCode(this.orderBook, codeUrl);
    return { errMsg: `scanPayCode:${this.decide(user, sheet, outcome)}` };
  }

  /** The user's decision in the pay sheet. */
  private decide(user: SandboxUser, sheet: PaySheet, outcome: PayOutcome): string {
    if ('refusal' in sheet) return `fail ${sheet.refusal}`;
    if (outcome === 'cancel') return 'fail cancel';
    if (outcome === 'fail') return 'fail 支付失败';
    const { order } = sheet;
    this.orderBook.pay(order, user.openid(order.appId));
    this.shipments.onPaid(order);
    void this.notify(order.outTradeNo, { mchId: order.mchId });
    return 'ok';
  }

  private notifyRefund(refund: RefundRecord): void {
    const { notifyUrl, status, outRefundNo, order } = refund;
    if (notifyUrl === undefined) return;
    const event = `REFUND.${status}`;
    void this.notifications.send(order.merchant, {
      event,
      originalType: 'refund',
      summary: SUMMARIES[event] ?? event,
      title: `${event} ${outRefundNo}`,
      url: notifyUrl,
      resource: refund.notice(),
    });
  }

  private findOrder(outTradeNo: string, mchId?: string): OrderRecord {
    const order = this.find(outTradeNo, mchId);
    if (order) return order;
    throw new SandboxError(`There is no order ${outTradeNo}. wechat.pay.orders lists all.`);
  }

  private findRefund(outRefundNo: string): RefundRecord {
    const found = this.merchants.map((merchant) => this.refundBook.find(merchant, outRefundNo));
    const refund = found.find((one) => one !== undefined);
    if (refund) return refund;
    throw new SandboxError(`There is no refund ${outRefundNo}. wechat.pay.refunds lists all.`);
  }

  private find(outTradeNo: string, mchId?: string): OrderRecord | undefined {
    return this.merchants
      .filter((merchant) => mchId === undefined || merchant.mchId === mchId)
      .map((merchant) => this.orderBook.find(merchant, outTradeNo))
      .find((order) => order !== undefined);
  }
}

const SUMMARIES: Readonly<Record<string, string>> = {
  'TRANSACTION.SUCCESS': '支付成功',
  'REFUND.SUCCESS': '退款成功',
  'REFUND.ABNORMAL': '退款异常',
  'REFUND.CLOSED': '退款关闭',
};

/** Replaces fields of a resource. `amount` as a number, `currency` and `openid` mean the nested fields. */
function overlay(
  resource: Record<string, unknown>,
  { amount, currency, openid, ...others }: Record<string, unknown>,
): Record<string, unknown> {
  const money =
    typeof amount === 'number' ? { total: amount, payer_total: amount } : (amount as object);
  const changed = { ...money, ...(currency !== undefined && { currency }) };
  return {
    ...resource,
    amount: { ...(resource['amount'] as object), ...changed },
    ...(openid !== undefined && { payer: { openid } }),
    ...others,
  };
}
