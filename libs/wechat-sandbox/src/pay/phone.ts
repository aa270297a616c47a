import { unixSeconds } from '../world/clock.js';
import type { RequestPaymentParams } from '../world/request-payment.js';
import type { SandboxUser } from '../world/user.js';
import type { OrderRecord } from './order.js';
import type { Orders } from './orders.js';
import { lines, rsaVerify } from './signing.js';

/** The maximum age of `timeStamp` in seconds of real time. */
const TOLERANCE = 300;

/** The order, or the reason why the phone opens no pay sheet. */
export type PaySheet = { order: OrderRecord } | { refusal: string };

/** Checks the parameters of `wx.requestPayment` as the phone and WeChat do before the pay sheet opens. */
export function openPaySheet(
  orders: Orders,
  user: SandboxUser,
  appId: string,
  params: RequestPaymentParams,
): PaySheet {
  const wrong = wrongParameter(params);
  if (wrong !== undefined) return { refusal: wrong };
  const { timeStamp, nonceStr, package: prepay, paySign } = params;
  if (Math.abs(unixSeconds(Date.now()) - Number(timeStamp)) > TOLERANCE)
    return { refusal: '支付参数已过期' };
  const order = orders.findByTicket(prepay.slice('prepay_id='.length));
  if (!order) return { refusal: 'prepay_id无效或已过期' };
  const signed = lines(appId, timeStamp, nonceStr, prepay);
  if (order.appId !== appId || !rsaVerify(signed, paySign, order.merchant.ownKeys.publicKey))
    return { refusal: '支付验证签名失败' };
  if (order.openid !== user.openid(appId))
    return { refusal: '下单账号与支付账号不一致，请核实后再支付' };
  return order.state === 'NOTPAY' ? { order } : { refusal: unpayable(order) };
}

/** Finds the order of a code that a phone scans. */
export function openScannedCode(orders: Orders, codeUrl: string): PaySheet {
  const order = orders.findByTicket(codeUrl);
  if (!order || order.body.payer) return { refusal: '二维码无效或已过期' };
  return order.state === 'NOTPAY' ? { order } : { refusal: unpayable(order) };
}

const unpayable = ({ isPaid }: OrderRecord): string => (isPaid ? '该订单已支付' : '该订单已关闭');

function wrongParameter(params: RequestPaymentParams): string | undefined {
  const { timeStamp, nonceStr, package: prepay, signType, paySign } = params;
  if (!isText(timeStamp) || !/^\d{1,12}$/.test(timeStamp)) return '缺少参数timeStamp';
  if (!isText(nonceStr) || nonceStr.length > 32) return '缺少参数nonceStr';
  if (!isText(prepay) || !prepay.startsWith('prepay_id=')) return '缺少参数package';
  if (signType !== 'RSA') return '签名方式signType不正确';
  return isText(paySign) ? undefined : '缺少参数paySign';
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
