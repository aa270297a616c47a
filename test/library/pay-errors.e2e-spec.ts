import { Logger } from '@nestjs/common';
import { WechatError } from 'nestjs-wechat';
import type { WechatPayOptions } from 'nestjs-wechat/pay';
import { startWechatSandbox } from 'nestjs-wechat-sandbox';
import type { SandboxUser, WechatSandbox } from 'nestjs-wechat-sandbox';
import { generateKeyPairSync } from 'node:crypto';
import {
  MERCHANT,
  notification,
  notificationBody,
  signedMessage,
} from '../support/pay-messages.js';
import { sandboxPayOptions, startPayServices } from '../support/pay-services.js';
import type { PayServices } from '../support/pay-services.js';
import { until } from '../support/redis.js';

const JSAPI = '/v3/pay/transactions/jsapi';
const ORDER = '/v3/pay/transactions/out-trade-no/:no';
const CLOSE = `${ORDER}/close`;
const REFUNDS = '/v3/refund/domestic/refunds';

const startPay = (wechat: WechatSandbox, change: Partial<WechatPayOptions> = {}) =>
  startPayServices(sandboxPayOptions(wechat, change));

describe('the errors of WeChat Pay', () => {
  let wechat: WechatSandbox;
  let alice: SandboxUser;
  let pay: PayServices;
  let number = 0;
  const log: string[] = [];
  const order = () => ({
    openid: alice.openid(),
    outTradeNo: `ERRORS-${++number}`,
    description: 'Latte',
    amount: 2200,
  });
  const paid = async () => {
    const prepay = order();
    await alice.requestPayment((await pay.payments.prepayWithRequestPayment(prepay)).params);
    return prepay;
  };
  const refundOf = ({ outTradeNo }: { outTradeNo: string }, refund = 2200) => ({
    outRefundNo: `R-${outTradeNo}`,
    outTradeNo,
    refund,
    total: 2200,
  });
  const errorOf = (call: Promise<unknown>): Promise<WechatError> =>
    call.then(
      () => {
        throw new Error('The call succeeded.');
      },
      (error: unknown) => error as WechatError,
    );

  beforeAll(async () => {
    for (const level of ['warn', 'error', 'log', 'debug'] as const)
      jest
        .spyOn(Logger.prototype, level)
        .mockImplementation((...args: unknown[]) => void log.push(String(args[0])));
    wechat = await startWechatSandbox({ pay: { merchants: [{}] } });
    wechat.everyDelivery({ drop: true });
    alice = wechat.users.create();
    pay = await startPay(wechat);
  });
  afterEach(() => wechat.clear());
  afterAll(async () => {
    await pay.close();
    await wechat.close();
    jest.restoreAllMocks();
  });

  const expectError = (error: WechatError, status: number, code: string, message: RegExp): void => {
    expect([error.getStatus(), error.code]).toEqual([status, code]);
    expect(error.message).toMatch(message);
    expect(JSON.stringify([error.message, error.getResponse()])).not.toMatch(
      /BEGIN|Authorization|WECHATPAY2|oUpF8u/,
    );
  };

  it('409 ERR_PAY_ORDER_PAID: prepay or close of a paid order, after a signed query', async () => {
    const prepay = await paid();
    const queries = () =>
      wechat.requests.filter(
        ({ method, path }) => method === 'GET' && path.includes(prepay.outTradeNo),
      ).length;
    const before = queries();
    expectError(
      await errorOf(pay.payments.prepay(prepay)),
      409,
      'ERR_PAY_ORDER_PAID',
      /is paid. Refund it/,
    );
    expectError(
      await errorOf(pay.payments.close(prepay.outTradeNo)),
      409,
      'ERR_PAY_ORDER_PAID',
      /is paid/,
    );
    expect(queries()).toBe(before + 2);
  });

  it.each([
    ['ORDER_PAID', undefined],
    ['ORDERPAID', undefined],
    ['INVALID_REQUEST', 268498689],
    ['INVALID_REQUEST', 268449538],
  ])(
    '%s %s of an order that is not paid does not make it paid: 503',
    async (payCode, paySuffix) => {
      const prepay = order();
      await pay.payments.prepay(prepay);
      wechat.next(CLOSE, { payCode, paySuffix });
      expectError(
        await errorOf(pay.payments.close(prepay.outTradeNo)),
        503,
        'ERR_WECHAT_UNAVAILABLE',
        /not final yet/,
      );
    },
  );

  it('409 ERR_PAY_ORDER_CLOSED: prepay of a closed order', async () => {
    const prepay = order();
    await pay.payments.prepay(prepay);
    await pay.payments.close(prepay.outTradeNo);
    expectError(
      await errorOf(pay.payments.prepay(prepay)),
      409,
      'ERR_PAY_ORDER_CLOSED',
      /new outTradeNo/,
    );
  });

  it('409 ERR_PAY_ORDER_CONFLICT: the same number with other fields', async () => {
    const prepay = order();
    await pay.payments.prepay(prepay);
    expectError(
      await errorOf(pay.payments.prepay({ ...prepay, amount: 1 })),
      409,
      'ERR_PAY_ORDER_CONFLICT',
      /repeat exactly these/,
    );
    wechat.next(JSAPI, { payCode: 'OUT_TRADE_NO_USED' });
    expectError(
      await errorOf(pay.payments.prepay(order())),
      409,
      'ERR_PAY_ORDER_CONFLICT',
      /other fields/,
    );
  });

  it.each([
    ['NOT_ENOUGH', /Top it up.*same outRefundNo/],
    ['USER_ACCOUNT_ABNORMAL', /another way/],
    ['RULE_LIMIT', /limit/],
    ['TRADE_ERROR', /Query the order/],
    ['RESOURCE_NOT_EXISTS', /Compare outTradeNo/],
    ['INVALID_REQUEST', /amounts/],
  ])('409 ERR_PAY_REFUND: %s, with the word in data', async (payCode, message) => {
    wechat.next(REFUNDS, { payCode });
    const error = await errorOf(pay.refunds.create(refundOf(order())));
    expectError(error, 409, 'ERR_PAY_REFUND', message);
    expect(error.getResponse()).toMatchObject({ data: { payCode }, error: 'ERR_PAY_REFUND' });
    wechat.next(REFUNDS, { status: 502, body: { code: payCode }, times: 3 });
    expectError(
      await errorOf(pay.refunds.create(refundOf(order()))),
      503,
      'ERR_WECHAT_UNAVAILABLE',
      /502/,
    );
  });

  it('puts no text of a refusal into an error that could forge a line of the log', async () => {
    const forged = `A\nERROR forged \u001b[2J${'x'.repeat(50_000)}`;
    wechat.next(JSAPI, { status: 400, body: { code: forged, message: forged } });
    const error = await errorOf(pay.payments.prepay(order()));
    expect(error).toMatchObject({ code: 'ERR_WECHAT_RESPONSE', payCode: '' });
    expect(JSON.stringify(error)).not.toContain('forged');
    expect(error.message.length).toBeLessThan(200);
  });

  it.each(['FREQUENCY_LIMITED', 'RATELIMIT_EXCEEDED'])(
    '429 ERR_WECHAT_RATE_LIMIT: %s',
    async (payCode) => {
      wechat.next(JSAPI, { payCode });
      const error = await errorOf(pay.payments.prepay(order()));
      expectError(error, 429, 'ERR_WECHAT_RATE_LIMIT', /./);
      expect(error.retryAfter).toBeGreaterThan(0);
    },
  );

  it.each([
    ['SIGN_ERROR', /privateKey and certificateSerial/],
    ['NO_AUTH', /permission/],
    ['MCH_NOT_EXISTS', /mchId/],
    ['APPID_MCHID_NOT_MATCH', /not bound/],
    ['OPENID_MISMATCH', /openid does not belong/],
  ])('500 ERR_WECHAT_CONFIG: %s', async (payCode, message) => {
    wechat.next(JSAPI, { payCode });
    const error = await errorOf(pay.payments.prepay(order()));
    expectError(error, 500, 'ERR_WECHAT_CONFIG', message);
    expect(error).toMatchObject({ payCode, rid: expect.any(String) });
    expect(pay.client.state).toBe(payCode === 'OPENID_MISMATCH' ? 'ok' : 'degraded');
    await pay.client.check();
    expect(pay.client.state).toBe('ok');
  });

  it.each(['PARAM_ERROR', 'RULE_LIMIT', 'TRADE_ERROR', 'ACCOUNT_ERROR'])(
    '502 ERR_WECHAT_RESPONSE: %s of a prepay; payCode and rid are in the error and not in the body',
    async (payCode) => {
      wechat.next(JSAPI, { payCode });
      const error = await errorOf(pay.payments.prepay(order()));
      expectError(error, 502, 'ERR_WECHAT_RESPONSE', new RegExp(`${payCode}.*Request-ID`));
      expect(error).toMatchObject({ payCode, rid: expect.any(String) });
      expect(JSON.stringify(error.getResponse())).not.toContain(payCode);
    },
  );

  it.each(['body', 'signature', 'unsigned', 'stale'] as const)(
    '502 ERR_WECHAT_RESPONSE: a success whose signature is wrong (%s)',
    async (tamper) => {
      wechat.next(JSAPI, { tamper });
      expectError(
        await errorOf(pay.payments.prepay(order())),
        502,
        'ERR_WECHAT_RESPONSE',
        /without a valid signature/,
      );
    },
  );

  it.each([{ mchid: '1900009999' }, { out_trade_no: 'ERRORS-OTHER' }, { amount: { total: 19.9 } }])(
    '502 ERR_WECHAT_RESPONSE: a signed query with %j in it',
    async (change) => {
      const prepay = order();
      await pay.payments.prepay(prepay);
      wechat.next(ORDER, { transform: (json) => ({ ...json, ...change }) });
      expectError(
        await errorOf(pay.payments.query(prepay)),
        502,
        'ERR_WECHAT_RESPONSE',
        /another order/,
      );
    },
  );

  it.each([
    ['SYSTEM_ERROR', undefined],
    ['BANK_ERROR', undefined],
    ['USER_PAYING', undefined],
    ['INVALID_REQUEST', 268449641],
  ])('503 ERR_WECHAT_UNAVAILABLE: %s %s', async (payCode, paySuffix) => {
    wechat.next(CLOSE, { payCode, paySuffix, times: 3 });
    expectError(
      await errorOf(pay.payments.close(`ERRORS-X${++number}`)),
      503,
      'ERR_WECHAT_UNAVAILABLE',
      /again shortly/,
    );
  });

  it('undefined: a payment and a refund that WeChat Pay does not know; another 404 is an error', async () => {
    expect(await pay.payments.query({ outTradeNo: 'ERRORS-unknown' })).toBeUndefined();
    expect(await pay.refunds.query('R-unknown')).toBeUndefined();
    wechat.next(ORDER, { payCode: 'MCH_NOT_EXISTS' });
    expectError(
      await errorOf(pay.payments.query({ outTradeNo: 'ERRORS-unknown' })),
      500,
      'ERR_WECHAT_CONFIG',
      /mchId/,
    );
    wechat.next(ORDER, { status: 404, body: '' });
    expectError(
      await errorOf(pay.payments.query({ outTradeNo: 'ERRORS-unknown' })),
      502,
      'ERR_WECHAT_RESPONSE',
      /404/,
    );
    wechat.next(ORDER, { status: 503, body: '{"code":"ORDER_NOT_EXIST"}', times: 3 });
    expectError(
      await errorOf(pay.payments.query({ outTradeNo: 'ERRORS-unknown' })),
      503,
      'ERR_WECHAT_UNAVAILABLE',
      /./,
    );
    wechat.next(`${REFUNDS}/:no`, {
      status: 503,
      body: '{"code":"RESOURCE_NOT_EXISTS"}',
      times: 3,
    });
    expectError(await errorOf(pay.refunds.query('R-unknown')), 503, 'ERR_WECHAT_UNAVAILABLE', /./);
  });

  it('says which credential is wrong: the serial, the private key, the clock', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const cases: [Partial<WechatPayOptions>, RegExp][] = [
      [{ certificateSerial: 'F'.repeat(40) }, /certificateSerial is not the serial number/],
      [{ privateKey }, /signature is wrong/],
    ];
    for (const [change, message] of cases) {
      const other = await startPay(wechat, change);
      expectError(await errorOf(other.client.check()), 500, 'ERR_WECHAT_CONFIG', message);
      await other.close();
    }
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockReturnValue(now - 600_000);
    try {
      wechat.next('/v3/security/echo', {
        status: 401,
        body: '{"code":"SIGN_ERROR","message":"Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"}',
      });
      expectError(
        await errorOf(pay.client.check()),
        500,
        'ERR_WECHAT_CONFIG',
        /clock of this server/,
      );
    } finally {
      clock.mockRestore();
    }
    await pay.client.check();
  });

  it('a certificate of another key, or another serial than that of the certificate, stops the start', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const { certificate } = wechat.pay.merchant;
    await expect(startPay(wechat, { certificate, privateKey })).rejects.toThrow(
      'does not belong to the private key',
    );
    await expect(
      startPay(wechat, { certificate, certificateSerial: 'F'.repeat(40) }),
    ).rejects.toThrow('is not the serial number of the certificate');
    await (await startPay(wechat, { certificate, certificateSerial: undefined })).close();
  });

  it('a verified notification that does not decrypt makes the state degraded, until the next one does', async () => {
    const own = await startPay(wechat, {
      mchId: MERCHANT.mchId,
      apiV3Key: MERCHANT.apiV3Key,
      publicKeys: [{ id: MERCHANT.wechatKeyId, pem: MERCHANT.wechatKey }],
    });
    const broken = {
      ...(JSON.parse(notificationBody('{}').toString()) as { resource: object }).resource,
      nonce: 'aaaaaaaaaaaa',
    };
    const { headers, body } = notification();
    await own.notifications.handle({
      headers: { ...headers, 'wechatpay-signature': 'AAAA' },
      body,
    });
    expect(own.client.state).toBe('ok'); // anyone can send a wrong signature
    await own.notifications.handle(
      signedMessage(notificationBody('{}', { over: { resource: broken } })),
    );
    expect(own.client.state).toBe('degraded');
    await own.notifications.handle({ headers, body });
    expect(own.client.state).toBe('ok');
    await own.close();
  });
});

describe('the platform certificates', () => {
  const startWithCertificates = () =>
    startWechatSandbox({ pay: { merchants: [{ verifyWith: 'certificates' }] } });

  it('verify a merchant without a public key; an unknown serial reads them again once in 5 minutes', async () => {
    const wechat = await startWithCertificates();
    wechat.next('/v3/certificates', { delay: '300ms' }); // the response of check() arrives before the download of the start has ended
    const pay = await startPay(wechat);
    const reads = () => wechat.requestsTo('/v3/certificates').length;
    const { verifiedBy } = await pay.client.check();
    expect(verifiedBy).toMatch(/^[0-9A-F]{40}$/);
    expect(pay.client.encrypt('张三')).toMatchObject({ serial: verifiedBy });
    wechat.pay.merchant.renewPlatformCertificate();
    const before = reads();
    const order = {
      openid: wechat.users.create().openid(),
      outTradeNo: 'RENEWED-1',
      description: 'x',
      amount: 1,
    };
    await expect(pay.payments.prepay(order)).resolves.toMatchObject({
      prepayId: expect.any(String),
    });
    expect(reads()).toBe(before + 1);
    for (let i = 0; i < 20; i++)
      await pay.notifications.handle(
        signedMessage(Buffer.from('{}'), { serial: 'ABCDEF0123'.repeat(4) }),
      );
    expect(reads()).toBe(before + 1);
    await pay.close();
    await wechat.close();
  });

  it('are read again after 10 s if the first read fails, also because the credentials are refused', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    const wechat = await startWithCertificates();
    wechat.next('/v3/certificates', { payCode: 'SIGN_ERROR' });
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const pay = await startPay(wechat);
    const retry = () => timers.mock.calls.findIndex(([, ms]) => ms === 10_000);
    await until(() => retry() >= 0);
    expect(pay.client.state).toBe('degraded');
    expect(await pay.notifications.handle(notification())).toMatchObject({ status: 503 });
    clearTimeout(timers.mock.results[retry()]!.value);
    timers.mock.calls[retry()]![0]();
    await until(() => pay.client.state === 'ok');
    timers.mockRestore();
    error.mockRestore();
    await pay.close();
    await wechat.close();
  });

  it('are not read again after a shutdown that came during a read', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    const wechat = await startWithCertificates();
    wechat.next('/v3/certificates', { payCode: 'SIGN_ERROR', delay: '300ms' });
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const pay = await startPay(wechat);
    await pay.close();
    await until(() => error.mock.calls.length > 0); // the read has failed
    expect(timers.mock.calls.filter(([, ms]) => ms === 10_000)).toEqual([]);
    timers.mockRestore();
    error.mockRestore();
    await wechat.close();
  });

  it('that a merchant does not have are reported with the cure, and disturb no public key', async () => {
    const error = jest.spyOn(Logger.prototype, 'error').mockImplementation();
    const wechat = await startWechatSandbox({ pay: { merchants: [{}] } });
    const pay = await startPay(wechat, { platformCertificates: 'download' });
    await expect(pay.client.check()).resolves.toMatchObject({
      verifiedBy: expect.stringMatching(/^PUB_KEY_ID_/),
    });
    await until(() => JSON.stringify(error.mock.calls).includes('set WECHAT_PAY_PUBLIC_KEY'));
    error.mockRestore();
    await pay.close();
    await wechat.close();
  });
});

describe('what PaymentService and RefundService have no method for', () => {
  it('downloads a bill with one call and checks its hash, and downloads nothing from another host', async () => {
    const wechat = await startWechatSandbox({ pay: { merchants: [{}] } });
    const pay = await startPay(wechat);
    const alice = wechat.users.create();
    const order = {
      openid: alice.openid(),
      outTradeNo: 'BILL-0001',
      description: 'x',
      amount: 100,
    };
    await alice.requestPayment((await pay.payments.prepayWithRequestPayment(order)).params);
    const day = new Date(wechat.clock.now() + 8 * 3_600_000).toISOString().slice(0, 10);
    wechat.clock.advance('48h');
    const bill = await pay.client.call<{
      hash_type: string;
      hash_value: string;
      download_url: string;
    }>({
      method: 'GET',
      path: '/v3/bill/tradebill',
      query: { bill_date: day, bill_type: 'ALL', tar_type: 'GZIP' },
    });
    const hash = { hashType: bill.hash_type, hashValue: bill.hash_value };
    const file = await pay.client.download(bill.download_url, hash);
    expect(file.toString()).toContain('BILL-0001');
    await expect(
      pay.client.download(bill.download_url, { ...hash, hashValue: '0'.repeat(40) }),
    ).rejects.toThrow('another hash');
    for (const url of [
      'https://evil.example/v3/bill',
      'http://api.mch.weixin.qq.com/x',
      'file:///etc/passwd',
      'no url',
    ])
      await expect(pay.client.download(url)).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    await pay.close();
    await wechat.close();
  });
});
