import {
  startWechatSandbox,
  type RequestPaymentParams,
  type SandboxUser,
  type WechatSandbox,
} from '../index.js';
import { decryptResource, isSignedBy, PayClient, Shop, type Wrong } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let client: PayClient;
let shop: Shop;
let alice: SandboxUser;
let payer: { payer: { openid: string } };

beforeEach(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
  client = new PayClient(wechat);
  shop = new Shop();
  await shop.start();
  alice = wechat.users.get('alice')!;
  payer = { payer: { openid: alice.openid() } };
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

describe('a Native order', () => {
  it('is paid by the person who scans its code, once', async () => {
    const { json } = await client.native({ notify_url: shop.url });
    expect(json.code_url).toMatch(/^weixin:\/\/wxpay\/bizpayurl\?pr=[\w-]{8}$/);
    expect(await alice.scanPayCode(json.code_url, { outcome: 'cancel' })).toEqual({
      errMsg: 'scanPayCode:fail cancel',
    });
    expect(await alice.scanPayCode(json.code_url)).toEqual({ errMsg: 'scanPayCode:ok' });
    await wechat.settle();
    expect((await client.query()).json).toMatchObject({
      trade_state: 'SUCCESS',
      trade_type: 'NATIVE',
      payer: payer.payer,
    });
    expect(shop.arrived).toHaveLength(1);
    const again = await wechat.users.get('bob')!.scanPayCode(json.code_url);
    expect(again.errMsg).toBe('scanPayCode:fail 该订单已支付');
  });

  it('takes no payer, and its code pays no order of a mini program', async () => {
    const refused = await client.native({ ...payer, notify_url: shop.url });
    expect(refused.status).toBe(400);
    const { json } = await client.prepay({ ...payer, notify_url: shop.url });
    expect((await alice.scanPayCode(json.prepay_id)).errMsg).toMatch('fail');
    const native = await client.native({ out_trade_no: 'order-0002', notify_url: shop.url });
    const paid = await alice.requestPayment(client.params(native.json.code_url));
    expect(paid.errMsg).toMatch('fail');
  });

  it('has a code that expires after two hours', async () => {
    const { json } = await client.native({ notify_url: shop.url });
    wechat.clock.advance('2h');
    expect((await alice.scanPayCode(json.code_url)).errMsg).toBe(
      'scanPayCode:fail 二维码无效或已过期',
    );
  });
});

describe('an order', () => {
  it('is paid on the phone, notified and queried', async () => {
    const prepaid = await client.prepay({ ...payer, notify_url: shop.url, attach: 'table 5' });
    expect(prepaid.status).toBe(200);
    expect(prepaid.json.prepay_id).toMatch(/^wx\d{14}[0-9a-f]{20}$/);
    expect(isSignedBy(wechat.pay.merchant.publicKey, prepaid.headers, prepaid.text)).toBe(true);
    expect(prepaid.headers.get('request-id')).toMatch(/^08[0-9A-F]{38}-0$/);
    expect((await client.query()).json).toEqual({
      appid: wechat.apps[0]!.appId,
      mchid: wechat.pay.merchant.mchId,
      out_trade_no: 'order-0001',
      trade_state: 'NOTPAY',
      trade_state_desc: '订单未支付',
      attach: 'table 5',
      amount: { total: 2200, currency: 'CNY' },
    });

    const paid = await alice.requestPayment(client.params(prepaid.json.prepay_id));
    expect(paid).toEqual({ errMsg: 'requestPayment:ok' });
    await wechat.settle();

    const query = await client.query();
    expect(query.json).toMatchObject({
      trade_state: 'SUCCESS',
      trade_type: 'JSAPI',
      transaction_id: expect.stringMatching(/^4200\d{24}$/),
      success_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/),
      payer: payer.payer,
      amount: { total: 2200, payer_total: 2200, currency: 'CNY', payer_currency: 'CNY' },
    });
    const { headers, body, json } = shop.arrived[0]!;
    expect(isSignedBy(wechat.pay.merchant.publicKey, headers, body)).toBe(true);
    expect(json).toMatchObject({
      resource_type: 'encrypt-resource',
      event_type: 'TRANSACTION.SUCCESS',
      resource: { original_type: 'transaction', associated_data: 'transaction' },
    });
    expect(json.resource.nonce).toHaveLength(12);
    expect(JSON.parse(decryptResource(json.resource, wechat.pay.merchant.apiV3Key))).toEqual(
      query.json,
    );
    expect(wechat.deliveries).toMatchObject([{ done: true, attempts: [{ status: 204 }] }]);
    const { mchId } = wechat.pay.merchant;
    const byId = `/v3/pay/transactions/id/${query.json.transaction_id}?mchid=${mchId}`;
    expect((await client.call('GET', byId)).json).toEqual(query.json);
  });

  it('is closed with a signed 204, as often as the merchant likes, and not paid afterwards', async () => {
    const { json } = await client.prepay(payer);
    for (let i = 0; i < 2; i++) {
      const closed = await client.close();
      expect([closed.status, closed.text]).toEqual([204, '']);
      expect(isSignedBy(wechat.pay.merchant.publicKey, closed.headers, '')).toBe(true);
    }
    expect((await client.query()).json.trade_state).toBe('CLOSED');
    expect(await alice.requestPayment(client.params(json.prepay_id))).toEqual({
      errMsg: 'requestPayment:fail 该订单已关闭',
    });
    expect(await client.prepay(payer)).toMatchObject({
      status: 400,
      json: { code: 'ORDER_CLOSED' },
    });
  });
});

describe('a repeated prepay', () => {
  it('returns another prepay id of the same order, and both together pay it once', async () => {
    const body = { ...payer, notify_url: shop.url };
    const first = (await client.prepay(body)).json.prepay_id;
    const second = (await client.prepay(body)).json.prepay_id;
    expect(second).not.toBe(first);
    expect(wechat.pay.orders).toHaveLength(1);
    await alice.requestPayment(client.params(first));
    expect(await alice.requestPayment(client.params(second))).toEqual({
      errMsg: 'requestPayment:fail 该订单已支付',
    });
    const again = await client.prepay(body);
    expect(again).toMatchObject({ status: 400, json: { code: 'ORDERPAID' } });
    expect(again.headers.get('request-id')).toMatch(/-268498689$/);
    const closed = await client.close();
    expect(closed).toMatchObject({ status: 400, json: { code: 'ORDER_PAID' } });
    expect(closed.headers.get('request-id')).toMatch(/-268449538$/);
  });

  it.each([
    { description: '美式咖啡' },
    { attach: 'x' },
    { amount: { total: 2201, currency: 'CNY' } },
    { notify_url: 'http://127.0.0.1:9/other' },
    { time_expire: '2099-01-01T00:00:00+08:00' },
  ])('with %j is INVALID_REQUEST 268498688', async (changed) => {
    await client.prepay(payer);
    const reply = await client.prepay({ ...payer, ...changed });
    expect(reply).toMatchObject({ status: 400, json: { code: 'INVALID_REQUEST' } });
    expect(reply.headers.get('request-id')).toMatch(/-268498688$/);
  });

  it('is refused for ever if its number was closed before the order', async () => {
    expect((await client.close()).status).toBe(204);
    expect(await client.prepay(payer)).toMatchObject({
      status: 400,
      json: { code: 'ORDER_CLOSED' },
    });
    expect(await client.query()).toMatchObject({ status: 404, json: { code: 'ORDER_NOT_EXIST' } });
  });
});

describe('time', () => {
  it('ends a prepay id after 2 hours', async () => {
    const { json } = await client.prepay(payer);
    wechat.clock.advance('2h');
    expect(await alice.requestPayment(client.params(json.prepay_id))).toEqual({
      errMsg: 'requestPayment:fail prepay_id无效或已过期',
    });
    const again = (await client.prepay(payer)).json.prepay_id;
    expect(await alice.requestPayment(client.params(again))).toEqual({
      errMsg: 'requestPayment:ok',
    });
  });

  it.each([
    [undefined, '7d'],
    [900_000, '15m'],
    [10_000, '1m'],
  ])(
    'closes an unpaid order whose time_expire is %s ms away after %s',
    async (life, closesAfter) => {
      const expires = life && new Date(wechat.clock.now() + life).toISOString();
      await client.prepay({ ...payer, ...(expires && { time_expire: expires }) });
      expect((await client.query()).json.trade_state).toBe('NOTPAY');
      wechat.clock.advance(closesAfter);
      expect((await client.query()).json.trade_state).toBe('CLOSED');
    },
  );
});

describe('the phone', () => {
  let right: RequestPaymentParams;

  beforeEach(async () => {
    right = client.params((await client.prepay(payer)).json.prepay_id);
  });

  it('opens no pay sheet for parameters with a wrong signature, old ones, and those of another mini program or user', async () => {
    const stranger = wechat.users.get('bob')!;
    const now = Math.floor(Date.now() / 1000);
    const id = right.package.slice('prepay_id='.length);
    const tries: [object, string][] = [
      [{ nonceStr: 'x' }, '支付验证签名失败'],
      [{ paySign: 'AAAA' }, '支付验证签名失败'],
      [{ signType: 'MD5' }, '签名方式signType不正确'],
      [{ timeStamp: now }, '缺少参数timeStamp'],
      [{ package: id }, '缺少参数package'],
      [{ paySign: undefined }, '缺少参数paySign'],
      [client.params(id, { timeStamp: String(now - 301) }), '支付参数已过期'],
      [client.params(id, { timeStamp: String(now + 310) }), '支付参数已过期'],
      [client.params('wx0'), 'prepay_id无效或已过期'],
    ];
    for (const [changed, refusal] of tries)
      expect(await alice.requestPayment({ ...right, ...changed })).toEqual({
        errMsg: `requestPayment:fail ${refusal}`,
      });
    expect((await stranger.requestPayment(right)).errMsg).toContain('下单账号与支付账号不一致');
    expect(wechat.pay.order('order-0001')!.state).toBe('NOTPAY');
    expect(wechat.deliveries).toEqual([]);
  });

  it('returns a failure if the user cancels or the bank refuses', async () => {
    expect(await alice.requestPayment(right, { outcome: 'cancel' })).toEqual({
      errMsg: 'requestPayment:fail cancel',
    });
    expect((await alice.requestPayment(right, { outcome: 'fail' })).errMsg).toMatch(/:fail /);
    expect(await alice.requestPayment(right)).toEqual({ errMsg: 'requestPayment:ok' });
  });
});

describe('a wrong request is refused in the order of WeChat’s checks', () => {
  const stale = Math.floor(Date.now() / 1000) - 400;
  const refund = (wrong: Wrong) =>
    client.call('POST', '/v3/refund/domestic/refunds', { nonsense: true }, wrong);

  it.each<[string, Wrong, number, string, string]>([
    [
      'no User-Agent',
      { headers: { 'User-Agent': '' }, timestamp: stale },
      400,
      'INVALID_REQUEST',
      'Accept',
    ],
    ['no header', { headers: { Authorization: '' } }, 401, 'SIGN_ERROR', '格式错误'],
    [
      'another scheme',
      { authorization: (right) => right.replace('RSA2048', 'SM2'), timestamp: stale },
      401,
      'SIGN_ERROR',
      '认证类型不正确',
    ],
    [
      'a field missing',
      { authorization: (right) => right.replace(/,serial_no="\w+"/, ''), timestamp: stale },
      401,
      'SIGN_ERROR',
      '格式错误',
    ],
    ['old, and wrongly signed', { timestamp: stale, sent: '{}' }, 401, 'SIGN_ERROR', '5分钟'],
    ['from the future', { timestamp: stale + 800 }, 401, 'SIGN_ERROR', '5分钟'],
    ['another merchant', { mchid: '1900009999' }, 404, 'MCH_NOT_EXISTS', '商户号不存在'],
    ['another serial', { serial: 'A'.repeat(40), sent: '{}' }, 401, 'SIGN_ERROR', '序列号有误'],
    ['other bytes', { sent: '{"other": true}' }, 401, 'SIGN_ERROR', '验签失败'],
    ['an unknown key', { headers: { 'Wechatpay-Serial': 'X' } }, 400, 'PARAM_ERROR', '公钥ID'],
    ['wrong parameters', {}, 400, 'PARAM_ERROR', 'out_refund_no'],
  ])('%s', async (_, wrong, status, code, message) => {
    const reply = await refund(wrong);
    expect([reply.status, reply.json.code]).toEqual([status, code]);
    expect(reply.json.message).toContain(message);
    expect(reply.headers.get('wechatpay-signature')).toBeNull();
    expect(reply.headers.get('request-id')).toMatch(/^08[0-9A-F]{38}-\d{9}$/);
  });

  it('and needs fewer headers on the paths of transactions', async () => {
    const reply = await client.prepay(payer, { headers: { Accept: undefined } });
    expect(reply.status).toBe(200);
    const malformed = await client.prepay(payer, { headers: { Authorization: 'x' } });
    expect(malformed.json).toMatchObject({ code: 'SIGN_ERROR', message: '签名信息错误，验签失败' });
  });

  it('and an unknown path or verb gets an empty body', async () => {
    expect(await client.call('GET', '/v3/pay/unknown')).toMatchObject({ status: 404, text: '' });
    const path = '/v3/pay/transactions/jsapi';
    expect(await client.call('GET', path)).toMatchObject({ status: 405, text: '' });
  });

  const money = (total: unknown, currency = 'CNY') => ({ amount: { total, currency } });
  it.each<[object, number, string, number?]>([
    [{ appid: 'wx0000000000000000' }, 400, 'APPID_MCHID_NOT_MATCH', 268445527],
    [{ mchid: '1900009999' }, 400, 'PARAM_ERROR'],
    [{ payer: {} }, 400, 'PARAM_ERROR', 268501013],
    [{ payer: undefined }, 400, 'PARAM_ERROR', 268501013],
    [{ payer: { openid: 'o-nobody' } }, 400, 'PARAM_ERROR'],
    [money(0), 400, 'PARAM_ERROR', 268435464],
    [money(19.9), 400, 'PARAM_ERROR'],
    [money('100'), 400, 'PARAM_ERROR'],
    [money(null), 400, 'PARAM_ERROR'],
    [money(100, 'USD'), 400, 'PARAM_ERROR'],
    [{ out_trade_no: '12345' }, 400, 'PARAM_ERROR'],
    [{ out_trade_no: 'a'.repeat(33) }, 400, 'PARAM_ERROR'],
    [{ out_trade_no: 'order#1' }, 400, 'PARAM_ERROR'],
    [{ description: '' }, 400, 'PARAM_ERROR'],
    [{ description: '咖'.repeat(128) }, 400, 'PARAM_ERROR', 268435464],
    [{ description: 'Coffee ☕🍩' }, 400, 'PARAM_ERROR'],
    [{ attach: 'x'.repeat(129) }, 400, 'PARAM_ERROR', 268435464],
    [{ notify_url: 'https://shop.example/notify?a=1' }, 400, 'PARAM_ERROR'],
    [{ notify_url: 'ftp://shop.example/notify' }, 400, 'PARAM_ERROR'],
    [{ time_expire: '2020-01-01T00:00:00+08:00' }, 400, 'PARAM_ERROR', 268435464],
    [{ time_expire: '2099-01-01 00:00:00' }, 400, 'PARAM_ERROR'],
    [{ notifyUrl: 'x' }, 400, 'PARAM_ERROR', 270924358],
  ])('a prepay with %j is refused: %i %s %s', async (changed, status, code, ...[suffix]) => {
    const reply = await client.prepay({ ...payer, ...changed });
    expect([reply.status, reply.json.code]).toEqual([status, code]);
    if (suffix) expect(reply.headers.get('request-id')).toMatch(new RegExp(`-${suffix}$`));
    expect(wechat.pay.orders).toEqual([]);
  });

  it('an openid of another app is OPENID_MISMATCH', async () => {
    const openid = alice.openid(wechat.apps[1]!.appId);
    const reply = await client.prepay({ payer: { openid } });
    expect(reply).toMatchObject({ status: 500, json: { code: 'OPENID_MISMATCH' } });
  });

  it.each(['', '?mchid=1900009999'])(
    'a query with %j instead of its mchid is refused',
    async (q) => {
      const path = `/v3/pay/transactions/out-trade-no/order-0001${q}`;
      expect(await client.call('GET', path)).toMatchObject({
        status: 400,
        json: { code: 'PARAM_ERROR' },
      });
    },
  );
});

describe('faults', () => {
  it('refuse with any code, reset the connection after the effect, or change the response and sign it again', async () => {
    const path = '/v3/pay/transactions/out-trade-no/:no';
    wechat.next(path, { payCode: 'FREQUENCY_LIMITED' });
    wechat.next(path, { payCode: 'INVALID_REQUEST', paySuffix: 268449641 });
    wechat.next('/v3/pay/transactions/jsapi', { reset: 'after-work' });
    await expect(client.prepay(payer)).rejects.toThrow('fetch failed');
    expect(await client.query()).toMatchObject({ status: 429 });
    expect((await client.query()).headers.get('request-id')).toMatch(/-268449641$/);
    wechat.next(path, { transform: (json) => ({ ...json, mchid: '1900009999' }) });
    const changed = await client.query();
    expect(changed.json).toMatchObject({ mchid: '1900009999', trade_state: 'NOTPAY' });
    expect(isSignedBy(wechat.pay.merchant.publicKey, changed.headers, changed.text)).toBe(true);
  });
});
