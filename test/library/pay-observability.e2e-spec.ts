import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { WechatSandbox } from 'nestjs-wechat-sandbox';
import { callChannel } from '../../libs/wechat/src/diagnostics.js';
import { endpointOf } from '../../libs/wechat/src/pay/pay-response.js';
import { observe } from '../support/observed.js';
import type { Observed } from '../support/observed.js';
import { notification, payOptions } from '../support/pay-messages.js';
import { sandboxPayOptions, startPayServices } from '../support/pay-services.js';
import type { PayServices } from '../support/pay-services.js';

const JSAPI = '/v3/pay/transactions/jsapi';
const ORDER = '/v3/pay/transactions/out-trade-no/*';

let observed: Observed;
let wechat: WechatSandbox;
let pay: PayServices;

beforeEach(async () => {
  observed = observe();
  wechat = await startWechatSandbox();
  pay = await startPayServices(sandboxPayOptions(wechat));
});
afterEach(async () => {
  await pay.close();
  await wechat.close();
  await observed.stop();
});

const prepay = (outTradeNo: string) =>
  pay.payments.prepay({
    openid: wechat.users.create().openid(),
    outTradeNo,
    description: 'Latte',
    amount: 2200,
  });

describe('spans and metrics of WeChat Pay, without WechatModule', () => {
  it('show each call by its endpoint without numbers, and each retry with its reason', async () => {
    wechat.next(JSAPI, { payCode: 'SYSTEM_ERROR' });
    await prepay('OBSERVED-1');
    await pay.payments.query({ outTradeNo: 'OBSERVED-1' });
    const spans = observed.spans().map(({ name, attributes, events }) => ({
      name,
      ...attributes,
      events: events.map((event) => ({ name: event.name, ...event.attributes })),
    }));
    expect(spans).toEqual([
      {
        name: `wechat ${JSAPI}`,
        'wechat.endpoint': JSAPI,
        events: [
          {
            name: 'retry',
            'error.type': 'ERR_WECHAT_UNAVAILABLE',
            'wechat.pay_code': 'SYSTEM_ERROR',
            'wechat.rid': expect.any(String),
          },
        ],
      },
      { name: `wechat ${ORDER}`, 'wechat.endpoint': ORDER, events: [] },
    ]);
    expect(
      (await observed.points('wechat.call.retries')).map(({ attributes, value }) => [
        attributes['endpoint'],
        value,
      ]),
    ).toEqual([[JSAPI, 1]]);
  });

  it("contain WeChat's word if a call is refused", async () => {
    wechat.next(JSAPI, { payCode: 'NO_AUTH' });
    await expect(prepay('OBSERVED-2')).rejects.toMatchObject({ payCode: 'NO_AUTH' });
    expect(observed.spans()[0]!.attributes).toMatchObject({
      'error.type': 'ERR_WECHAT_CONFIG',
      'wechat.pay_code': 'NO_AUTH',
    });
    const [call] = await observed.points('wechat.call.duration');
    expect(call!.attributes).toEqual({
      endpoint: JSAPI,
      outcome: 'ERR_WECHAT_CONFIG',
      pay_code: 'NO_AUTH',
    });
  });

  it('show the run of a handler once, with its outcome, and the work of the handler below it', async () => {
    await pay.close();
    pay = await startPayServices(payOptions());
    const failed = notification();
    pay.shop.handle = () => {
      trace.getTracer('shop').startSpan('update of the order').end();
      throw new Error('the database is down');
    };
    expect((await pay.notifications.handle(failed)).status).toBe(500);
    pay.shop.handle = () => undefined;
    expect((await pay.notifications.handle(failed)).status).toBe(204);
    expect((await pay.notifications.handle(failed)).status).toBe(204); // no further run
    const spans = observed.spans();
    const runs = spans.filter(({ name }) => name === 'wechat handle *');
    expect(runs.map(({ kind, status }) => [kind, status.code])).toEqual([
      [SpanKind.CONSUMER, SpanStatusCode.ERROR],
      [SpanKind.CONSUMER, SpanStatusCode.UNSET],
    ]);
    const [update] = spans.filter(({ name }) => name === 'update of the order');
    expect(update!.parentSpanContext?.spanId).toBe(runs[0]!.spanContext().spanId);
    const points = await observed.points('wechat.handler.duration');
    expect(points.map(({ attributes }) => attributes)).toEqual([
      { event: '*', outcome: 'ERR_UNKNOWN' },
      { event: '*', outcome: 'ok' },
    ]);
  });

  it('end with the application', async () => {
    expect(callChannel.hasSubscribers).toBe(true);
    await pay.close();
    expect(callChannel.hasSubscribers).toBe(false);
  });
});

it.each([
  ['/v3/pay/transactions/id/abc?mchid=1900000001', '/v3/pay/transactions/id/*'],
  ['/v3/pay/transactions/out-trade-no/close/close', '/v3/pay/transactions/out-trade-no/*/close'],
  ['/v3/refund/domestic/refunds/latte', '/v3/refund/domestic/refunds/*'],
  ['/v3/refund/domestic/refunds', '/v3/refund/domestic/refunds'],
  ['/v3/marketing/favor/users/oUpF8u/coupons', '/v3/marketing/favor/users/*/coupons'],
])('the endpoint of %s is %s', (path, endpoint) => {
  expect(endpointOf(path)).toBe(endpoint);
});
