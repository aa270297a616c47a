import { FakeServer } from '../test-support/fake-server.js';
import { failureOf, over, useFakeTime } from '../test-support/time.js';
import { WxFault, unreliable } from '../test-support/unreliable-wx.js';
import { Phone, createPhone } from '../test-support/wx-shim.js';
import { RequestError, RequestPayment, SessionOptions, createSession } from './index.js';

const MINUTE = 60_000;
const PARAMS: RequestPayment = {
  timeStamp: '1763625600',
  nonceStr: '5K8264ILTKCH16CQ2502SI8ZNMTM67VS',
  package: 'prepay_id=wx20',
  signType: 'RSA',
  paySign: 'c2lnbmVk',
};
const order = { id: 'o/1', status: 'pending' };

let server: FakeServer;
let phone: Phone;
let shown: RequestPayment[];
let sheet: string;
let fault: WxFault | undefined;

beforeEach(() => {
  useFakeTime();
  server = new FakeServer();
  server.reply('/orders/o%2F1/pay', PARAMS);
  server.reply('/orders/o%2F1/sync', { ...order, status: 'paid' });
  shown = [];
  sheet = 'requestPayment:ok';
  fault = undefined;
  phone = createPhone({
    send: server.send,
    login: server.wxLogin,
    requestPayment: async (params) => {
      shown.push(params);
      return { errMsg: sheet };
    },
  });
});
afterEach(() => jest.useRealTimers());

function start(options: Partial<SessionOptions> = {}) {
  const wx = unreliable(phone.wx, (name) => (name === 'requestPayment' ? fault : undefined));
  return createSession({ baseUrl: server.url, wx, ...options });
}

const paths = () => server.seen.slice(1).map(({ method, path }) => `${method} ${path}`);
const BOTH = ['POST /orders/o%2F1/pay', 'POST /orders/o%2F1/sync'];

describe('pay', () => {
  it('opens the sheet with the signed parameters, and returns the order from the server', async () => {
    expect(await over(start().pay(order))).toEqual({ id: 'o/1', status: 'paid' });
    expect(shown).toEqual([PARAMS]);
    expect(paths()).toEqual(BOTH);
  });

  it.each(['requestPayment:fail cancel', 'requestPayment:fail 支付失败'])(
    'queries the server also after the result %s, and reports the text',
    async (text) => {
      sheet = text;
      server.reply('/orders/o%2F1/sync', order);
      const failures: RequestError[] = [];
      const paid = start().pay(order, { onFailure: (failure) => failures.push(failure) });
      expect(await over(paid)).toEqual(order);
      expect(failures).toEqual([expect.objectContaining({ error: 'ERR_WX', msg: text })]);
      expect(paths()).toEqual(BOTH);
    },
  );

  it.each<WxFault>([
    'throws',
    'calls back twice',
    'fails without a reason',
    'fails and then succeeds',
    'succeeds with nothing',
  ])('queries the server once if wx.requestPayment %s', async (name) => {
    fault = name;
    expect(await over(start().pay(order))).toMatchObject({ status: 'paid' });
    expect(paths()).toEqual(BOTH);
  });

  it('queries the server after ten minutes if wx.requestPayment never calls back', async () => {
    fault = 'never calls back';
    const paid = start().pay(order);
    await jest.advanceTimersByTimeAsync(9 * MINUTE);
    expect(paths()).toEqual(BOTH.slice(0, 1));
    await jest.advanceTimersByTimeAsync(2 * MINUTE);
    expect(await paid).toMatchObject({ status: 'paid' });
  });

  it('repeats requests for the parameters and the order if a response is lost', async () => {
    server.next('/orders/o%2F1/pay', 'lost');
    server.next('/orders/o%2F1/sync', 'lost', { statusCode: 503 });
    expect(await over(start().pay(order))).toMatchObject({ status: 'paid' });
    expect([shown.length, server.count('/orders/o%2F1/sync')]).toEqual([1, 3]);
  });

  it('logs in again if the session ended while the sheet was open', async () => {
    const { requestPayment } = phone.wx;
    phone.wx.requestPayment = (given) => {
      server.endAll();
      return requestPayment(given);
    };
    expect(await over(start().pay(order))).toMatchObject({ status: 'paid' });
    expect(phone.calls['login']).toBe(2);
  });

  it('opens no sheet if the server refuses', async () => {
    const refusal = { statusCode: 409, error: 'ERR_ORDER_STATE', data: { status: 'closed' } };
    server.next('/orders/o%2F1/pay', refusal);
    expect(await failureOf(start().pay(order))).toMatchObject(refusal);
    expect([shown.length, server.count('/orders/o%2F1/sync')]).toEqual([0, 0]);
  });

  it('uses the paths of the options', async () => {
    server.reply('/shop/7/prepay', PARAMS);
    await over(start({ payPath: '/shop/:id/prepay', syncPath: '/shop/:id' }).pay({ id: 7 }));
    expect(paths()).toEqual(['POST /shop/7/prepay', 'POST /shop/7']);
  });

  it('control: an app that trusts the result of the sheet treats a paid order as unpaid', async () => {
    sheet = 'requestPayment:fail 支付失败';
    const naive = new Promise((success) =>
      phone.wx.requestPayment({
        ...PARAMS,
        provider: 'wxpay',
        success: () => success('paid'),
        fail: () => success('unpaid'),
      }),
    );
    expect(await naive).toBe('unpaid');
    expect(await over(start().pay(order))).toMatchObject({ status: 'paid' });
  });
});
