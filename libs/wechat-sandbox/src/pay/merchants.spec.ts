import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { startWechatSandbox, type WechatSandbox, type WechatSandboxOptions } from '../index.js';
import { decryptResource, isSignedBy, PayClient, Shop } from './pay-client.for-spec.js';

let wechat: WechatSandbox;
let client: PayClient;
let shop: Shop;

async function start(merchants: NonNullable<WechatSandboxOptions['pay']>['merchants']) {
  wechat = await startWechatSandbox({ demoUsers: true, pay: { merchants } });
  client = new PayClient(wechat);
}
beforeEach(async () => {
  shop = new Shop();
  await shop.start();
});
afterEach(async () => {
  await wechat.close();
  await shop.stop();
});

/** The certificates that a merchant decrypts, by serial. */
async function certificates(): Promise<Map<string, X509Certificate>> {
  const { json } = await client.call('GET', '/v3/certificates');
  const { apiV3Key } = wechat.pay.merchant;
  return new Map(
    json.data.map(({ serial_no, encrypt_certificate }) => [
      serial_no,
      new X509Certificate(decryptResource(encrypt_certificate, apiV3Key)),
    ]),
  );
}

const keyIn = (x509: X509Certificate, id: string) => ({
  id,
  pem: x509.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
});

describe('a merchant with the public key', () => {
  beforeEach(() => start([{}]));

  it('returns its variables, and has no certificates', async () => {
    const env = wechat.pay.merchant.env({ notifyUrl: shop.url });
    expect(env).toEqual({
      WECHAT_PAY_MCH_ID: expect.stringMatching(/^\d{10}$/),
      WECHAT_PAY_PRIVATE_KEY: expect.stringContaining('BEGIN PRIVATE KEY'),
      WECHAT_PAY_CERT_SERIAL: expect.stringMatching(/^[0-9A-F]{40}$/),
      WECHAT_PAY_API_V3_KEY: expect.stringMatching(/^\w{32}$/),
      WECHAT_PAY_PUBLIC_KEY_ID: expect.stringMatching(/^PUB_KEY_ID_\d{28}$/),
      WECHAT_PAY_PUBLIC_KEY: expect.stringContaining('BEGIN PUBLIC KEY'),
      WECHAT_PAY_NOTIFY_URL: shop.url,
      WECHAT_PAY_BASE_URL: wechat.url,
    });
    expect(await client.call('GET', '/v3/certificates')).toMatchObject({
      status: 404,
      json: { code: 'RESOURCE_NOT_EXISTS' },
    });
  });

  it('has a certificate with its own key and serial', () => {
    const { certificate, certificateSerial, privateKey } = wechat.pay.merchant;
    const x509 = new X509Certificate(certificate);
    expect(x509.serialNumber).toBe(certificateSerial);
    expect(certificate).not.toContain('PRIVATE');
    expect(x509.checkPrivateKey(createPrivateKey(privateKey))).toBe(true);
  });

  it('accepts its credentials in the echo call', async () => {
    const { id } = wechat.pay.merchant.publicKey!;
    const headers = { 'Wechatpay-Serial': id };
    const path = '/v3/security/echo';
    const echo = await client.call('POST', path, { echo_message: '你好' }, { headers });
    expect(echo.text).toBe('{"echo_message":"你好"}');
    expect(isSignedBy(wechat.pay.merchant.publicKey, echo.headers, echo.text)).toBe(true);
    expect((await client.call('POST', path, { echo_message: 'x' })).json.code).toBe('PARAM_ERROR');
    const body = { echo_message: 'x', notify_url: shop.url };
    await client.call('POST', path, body, { headers });
    await wechat.settle();
    expect(shop.arrived).toHaveLength(1);
  });
});

describe('a merchant with certificates', () => {
  beforeEach(() => start([{ verifyWith: 'certificates' }]));

  it('decrypts them and verifies responses and notifications with them, and a new one signs at once', async () => {
    expect(wechat.pay.merchant.env({ notifyUrl: shop.url })).not.toHaveProperty(
      'WECHAT_PAY_PUBLIC_KEY',
    );
    const [[serial, x509]] = [...(await certificates())] as [[string, X509Certificate]];
    expect(x509.serialNumber).toBe(serial);
    const user = wechat.users.get('alice')!;
    await client.buy(user, { notify_url: shop.url });
    await wechat.settle();
    const [first] = shop.arrived;
    expect(isSignedBy(keyIn(x509, serial), first!.headers, first!.body)).toBe(true);

    wechat.pay.merchant.renewPlatformCertificate();
    await wechat.pay.notify('order-0001');
    const renewed = String(shop.arrived[1]!.headers['wechatpay-serial']);
    expect(renewed).not.toBe(serial);
    const both = await certificates();
    expect([...both.keys()]).toEqual([serial, renewed]);
    const { headers, body } = shop.arrived[1]!;
    expect(isSignedBy(keyIn(both.get(renewed)!, renewed), headers, body)).toBe(true);
  });
});

describe('a merchant that switches', () => {
  beforeEach(() => start([{ verifyWith: 'switching' }]));

  it('chooses the key of a response, and WeChat chooses that of a notification', async () => {
    const publicKey = wechat.pay.merchant.publicKey!;
    expect(wechat.pay.merchant.env({ notifyUrl: shop.url })).toMatchObject({
      WECHAT_PAY_PLATFORM_CERTIFICATES: 'download',
    });
    const [serial] = [...(await certificates()).keys()];
    for (const id of [publicKey.id, serial!]) {
      const reply = await client.call('GET', '/v3/certificates', undefined, {
        headers: { 'Wechatpay-Serial': id },
      });
      expect(reply.headers.get('wechatpay-serial')).toBe(id);
    }
    await client.buy(wechat.users.get('alice')!, { notify_url: shop.url });
    const drawn = async (percent: number): Promise<number> => {
      wechat.pay.switchTo(percent);
      await wechat.settle();
      shop.arrived.length = 0;
      for (let i = 0; i < 60; i++) await wechat.pay.notify('order-0001');
      const ids = shop.arrived.map(({ headers }) => headers['wechatpay-serial']);
      return ids.filter((id) => id === publicKey.id).length;
    };
    expect(await drawn(0)).toBe(0);
    const half = await drawn(50);
    expect(half).toBeGreaterThan(5);
    expect(half).toBeLessThan(55);
    expect(await drawn(100)).toBe(60);
    expect(() => wechat.pay.switchTo(101)).toThrow('from 0 to 100');
  });
});

it.each([
  [[{ mchId: '123' }], '8 to 10 digits'],
  [[{ mchId: '1900000109' }, { mchId: '1900000109' }], 'same mchId'],
  [[{ appIds: ['wx0'] }], 'has the mini program wx0'],
  [[{ verifyWith: 'nothing' as 'switching' }], 'verifyWith'],
  [[], 'at least one merchant'],
])('refuses merchants %j', async (merchants, cure) => {
  await start([{}]);
  await expect(startWechatSandbox({ pay: { merchants } })).rejects.toThrow(cure);
});

it('separates merchants', async () => {
  await start([{}, {}]);
  const other = new PayClient(wechat, wechat.pay.merchants[1]);
  await client.prepay({ payer: { openid: wechat.users.get('alice')!.openid() } });
  expect(await other.query()).toMatchObject({ status: 404 });
  expect(wechat.pay.merchants[0]!.privateKey).not.toBe(wechat.pay.merchants[1]!.privateKey);
});

describe('the trade bill', () => {
  let day: string;

  beforeEach(async () => {
    await start([{}]);
    await client.buy(wechat.users.get('alice')!, { attach: 'a,b' });
    await client.refund({ amount: { refund: 200, total: 2200, currency: 'CNY' } });
    day = new Date(wechat.clock.now() + 8 * 3600_000).toISOString().slice(0, 10);
  });
  const ask = (query: string) => client.call('GET', `/v3/bill/tradebill?bill_date=${query}`);

  it('is ready at 10:00 of the next day', async () => {
    expect(await ask(day)).toMatchObject({ status: 400, json: { code: 'PARAM_ERROR' } });
    const midnight = Date.parse(`${day}T00:00:00+08:00`) + 86_400_000;
    wechat.clock.advance(midnight + 60_000 - wechat.clock.now());
    expect(await ask(day)).toMatchObject({ status: 400, json: { code: 'STATEMENT_CREATING' } });
    wechat.clock.advance('10h');
    expect((await ask(day)).status).toBe(200);
    expect(await ask('2026-01-01')).toMatchObject({ status: 400 });
    expect(await ask(`${day}&bill_type=ANY`)).toMatchObject({ status: 400 });
  });

  it.each(['ALL', 'SUCCESS', 'REFUND'])(
    'lists %s in yuan, with the hash of the file',
    async (type) => {
      wechat.clock.advance('2d');
      const { json } = await ask(`${day}&bill_type=${type}&tar_type=GZIP`);
      const path = json.download_url.slice(wechat.url.length);
      const refused = await fetch(json.download_url);
      expect(refused.status).toBeGreaterThanOrEqual(400);
      const file = await client.download(path);
      expect(file.headers.get('wechatpay-signature')).toBeNull();
      const csv = gunzipSync(file.bytes);
      expect(createHash('sha1').update(csv).digest('hex')).toBe(json.hash_value);
      const lines = csv.toString().replace('\uFEFF', '').trimEnd().split('\r\n');
      const rows = lines.slice(1, -2).map((line) => line.split(','));
      expect(rows).toHaveLength(type === 'ALL' ? 2 : 1);
      const header = lines[0]!.split(',');
      for (const row of rows) expect(row).toHaveLength(header.length);
      const paid = type === 'REFUND' ? '`0.00' : '`22.00';
      expect(rows[0]![header.indexOf('订单金额')]).toBe(paid);
      expect(lines.at(-1)!.split(',')[0]).toBe(`\`${rows.length}`);
      wechat.clock.advance('5m');
      expect((await client.download(path)).status).toBe(400);
    },
  );
});
