import type { FastifyInstance } from 'fastify';
import type { Deliveries } from '../deliveries/deliveries.js';
import type { PayOrder } from '../pay/order.js';
import type { RefundStatus } from '../pay/refund.js';
import type { WechatPay } from '../pay/wechat-pay.js';
import { isObject } from '../transport/request.js';
import { SandboxError } from '../world/sandbox-error.js';
import { Fields } from './fields.js';
import { DONE } from './json-api.js';
import type { Post } from './json-api.js';

/** The parts of the sandbox that these routes use. */
export interface PayControlParts {
  pay: WechatPay;
  deliveries: Deliveries;
}

interface PostAgain extends Post {
  Params: { id: string };
}

/** The routes of {@link payControl}, as `GET /sandbox` lists them. */
export const PAY_CONTROL_ROUTES = [
  'GET /sandbox/deliveries',
  'POST /sandbox/deliveries/:id/again',
  'POST /sandbox/next-delivery {drop?, duplicate?, delay?, tamper?, signTest?, times?}',
  'POST /sandbox/every-delivery {drop?, duplicate?, delay?, tamper?, signTest?}',
  'GET /sandbox/pay/orders',
  'POST /sandbox/pay/notify {outTradeNo, event?, over?, age?, serial?, mchId?}',
  'POST /sandbox/pay/forge {outTradeNo}',
  'POST /sandbox/pay/settle-refund {outRefundNo, status}',
  'POST /sandbox/pay/switch {percent, mchId?}',
];

const OUTCOMES: readonly Exclude<RefundStatus, 'PROCESSING'>[] = ['SUCCESS', 'ABNORMAL', 'CLOSED'];

/** Registers the routes of WeChat Pay and of deliveries. Their responses contain no key and no complete openid. */
export function payControl(server: FastifyInstance, { pay, deliveries }: PayControlParts): void {
  server.get('/deliveries', () => deliveries.all);
  server.post<PostAgain>('/deliveries/:id/again', ({ params }) => deliveries.again(params.id));
  server.post<Post>('/next-delivery', ({ body }) => {
    deliveries.next(body);
    return DONE;
  });
  server.post<Post>('/every-delivery', ({ body }) => {
    deliveries.every(body);
    return DONE;
  });
  server.get('/pay/orders', () => pay.orders.map(masked));
  server.post<Post>('/pay/notify', ({ body }) => {
    const fields = new Fields(body);
    return pay.notify(fields.need('outTradeNo'), {
      event: fields.text('event'),
      over: overOf(body),
      age: fields.text('age'),
      serial: fields.text('serial'),
      mchId: fields.text('mchId'),
    });
  });
  server.post<Post>('/pay/forge', ({ body }) => pay.forge(new Fields(body).need('outTradeNo')));
  server.post<Post>('/pay/settle-refund', ({ body }) => {
    const fields = new Fields(body);
    const status = fields.choice('status', OUTCOMES) ?? 'SUCCESS';
    return pay.settleRefund(fields.need('outRefundNo'), status);
  });
  server.post<Post>('/pay/switch', ({ body }) => {
    pay.switchTo(Number(body['percent'] ?? NaN), new Fields(body).text('mchId'));
    return DONE;
  });
}

function overOf({ over }: Record<string, unknown>): Record<string, unknown> | undefined {
  if (over === undefined || isObject(over)) return over;
  throw new SandboxError('over must be an object: {"amount": 1}.');
}

const masked = ({ openid, ...order }: PayOrder): object => ({
  ...order,
  ...(openid !== undefined && { openid: `${openid.slice(0, 4)}…${openid.slice(-2)}` }),
});
