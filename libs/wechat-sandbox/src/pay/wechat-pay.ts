import type { Deliveries } from '../deliveries/deliveries.js';
import type { Delivery } from '../deliveries/delivery.js';
import type { Duration } from '../world/clock.js';
import type { RequestPaymentOptions, RequestPaymentParams } from '../world/request-payment.js';
import { SandboxError } from '../world/sandbox-error.js';
import type { SandboxUser } from '../world/user.js';
import type { World } from '../world/world.js';
import { registerMerchants, type PayMerchant, type PayMerchantOptions } from './merchant.js';
import { Notifications } from './notifications.js';
import type { OrderRecord, PayOrder } from './order.js';
import { Orders } from './orders.js';
import { openPaySheet } from './phone.js';

/** WeChat Pay's part of `startWechatSandbox()`. */
export interface PayOptions {
  /** @default one merchant of the first mini program, which verifies with the public key */
  merchants?: readonly PayMerchantOptions[];
}

/** How `wechat.pay.notify()` differs from the truth. */
export interface NotifyOptions {
  /** @default 'TRANSACTION.SUCCESS' */
  event?: string;
  /** Fields of the decrypted resource that are replaced: `{ amount: 1, currency: 'USD', mchid: '…', appid: '…', openid: '…', … }`. */
  over?: Record<string, unknown>;
  /** How old the signature is, in real time. @default '0s' */
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
  private readonly notifications: Notifications;

  /** @internal Use `wechat.pay`. */
  constructor(
    private readonly world: World,
    deliveries: Deliveries,
    { merchants = [{}] }: PayOptions,
    baseUrl: () => string,
  ) {
    const miniPrograms = world.apps.all.filter(({ kind }) => kind === 'mini-program');
    const appIds = miniPrograms.map(({ appId }) => appId);
    this.merchants = registerMerchants(merchants, appIds, baseUrl);
    this.orderBook = new Orders(world.clock, world.users, world.apps);
    this.notifications = new Notifications(world.clock, deliveries);
  }

  /** The first merchant. */
  get merchant(): PayMerchant {
    return this.merchants[0]!;
  }

  /** All orders, the oldest first. Only the newest 20 000 are kept. */
  get orders(): PayOrder[] {
    return this.orderBook.all;
  }

  /** The order with this number. */
  order(outTradeNo: string): PayOrder | undefined {
    return this.find(outTradeNo)?.view();
  }

  /**
   * Sends a notification that WeChat has signed correctly, with some fields changed. It is repeated like any other.
   *
   * @returns the delivery after its first attempt
   */
  async notify(outTradeNo: string, options: NotifyOptions = {}): Promise<Delivery> {
    const { event = 'TRANSACTION.SUCCESS', over = {}, age, serial, mchId } = options;
    const order = this.find(outTradeNo, mchId);
    if (!order)
      throw new SandboxError(`There is no order ${outTradeNo}. wechat.pay.orders lists all.`);
    return this.notifications.send(order.merchant, {
      event,
      originalType: 'transaction',
      summary: '支付成功',
      title: `${event} ${outTradeNo}`,
      url: order.notifyUrl,
      resource: overlay(order.transaction(), over),
      age,
      serial,
    });
  }

  /** @internal What `wx.requestPayment` does. */
  requestPayment(
    user: SandboxUser,
    params: RequestPaymentParams,
    { outcome = 'ok', appId }: RequestPaymentOptions,
  ): { errMsg: string } {
    const app = this.world.apps.pick('mini-program', appId);
    const sheet = openPaySheet(this.orderBook, user, app.appId, params);
    if ('refusal' in sheet) return { errMsg: `requestPayment:fail ${sheet.refusal}` };
    if (outcome === 'cancel') return { errMsg: 'requestPayment:fail cancel' };
    if (outcome === 'fail') return { errMsg: 'requestPayment:fail 支付失败' };
    this.orderBook.pay(sheet.order);
    void this.notify(sheet.order.outTradeNo, { mchId: sheet.order.mchId });
    return { errMsg: 'requestPayment:ok' };
  }

  private find(outTradeNo: string, mchId?: string): OrderRecord | undefined {
    return this.merchants
      .filter((merchant) => mchId === undefined || merchant.mchId === mchId)
      .map((merchant) => this.orderBook.find(merchant, outTradeNo))
      .find((order) => order !== undefined);
  }
}

/** Replaces fields of a resource. `amount` as a number, `currency` and `openid` stand for the nested fields. */
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
