import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import type {
  PaymentService,
  PayNotificationService,
  Prepay,
  RefundRequest,
  RefundService,
} from 'nestjs-wechat/pay';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CountingStore } from '../support/counting-store.js';
import {
  encryptedResource,
  MERCHANT,
  notification,
  notificationBody,
  paidOrder,
  payOptions,
  signedMessage,
} from '../support/pay-messages.js';
import type { PayMessage } from '../support/pay-messages.js';
import { startPayServices } from '../support/pay-services.js';
import type { PayServices } from '../support/pay-services.js';
import type { Shop } from '../support/shop-app.js';

const RUNS = 100;
const FLIPS = 10_000;

describe('bad input to WeChat Pay', () => {
  const store = new CountingStore();
  let requests = 0;
  const wechat = createServer((_request, response) => {
    requests++;
    response.statusCode = 500;
    response.end();
  });
  let shop: Shop;
  let notifications: PayNotificationService;
  let payments: PaymentService;
  let refunds: RefundService;
  let services: PayServices;
  const lines: string[] = [];

  beforeAll(async () => {
    await new Promise<void>((resolve) => wechat.listen(0, '127.0.0.1', resolve));
    const baseUrl = `http://127.0.0.1:${(wechat.address() as AddressInfo).port}`;
    for (const level of ['warn', 'error', 'log', 'debug'] as const)
      jest
        .spyOn(Logger.prototype, level)
        .mockImplementation((...args: unknown[]) => void lines.push(String(args[0])));
    services = await startPayServices(payOptions({ store, api: { baseUrl } }));
    ({ shop, notifications, payments, refunds } = services);
  });
  beforeEach(() => {
    store.calls = 0;
    requests = 0;
    shop.received.length = 0;
    lines.length = 0;
  });
  afterAll(async () => {
    await services.close();
    wechat.close();
    jest.restoreAllMocks();
  });

  /** Checks that a notification is refused with this status before the handler and the store are called. */
  async function refuses(
    message: PayMessage | { headers: object; body: Buffer },
    status: number,
  ): Promise<void> {
    const response = await notifications.handle(message as PayMessage);
    expect([response.status, store.calls, shop.received.length]).toEqual([status, 0, 0]);
    expect(response.headers).toEqual({
      'Cache-Control': 'no-store',
      'Content-Type': 'application/json',
    });
    const texts: Record<number, string> = {
      400: 'bad request',
      401: 'not authenticated',
      403: 'not for this merchant',
      413: 'too large',
    };
    expect(JSON.parse(response.body)).toEqual({ code: 'FAIL', message: texts[status] });
  }

  describe('services', () => {
    const prepay: Prepay = {
      openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o',
      outTradeNo: 'ORDER-1',
      description: 'Latte',
      amount: 2200,
    };
    const refund: RefundRequest = {
      outRefundNo: 'R-1',
      outTradeNo: 'ORDER-1',
      refund: 1,
      total: 2200,
    };
    const notFen = fc.oneof(
      fc.double().filter((x) => !Number.isSafeInteger(x) || x < 1),
      fc.integer({ max: 0 }),
      fc.constantFrom('100', 19.9, Number.NaN, 1e21, Infinity, null, undefined, 100n, [100], {}),
    );
    const longer = (length: number) =>
      fc.string({ minLength: length + 1, maxLength: length + 50, unit: 'grapheme-ascii' });
    const emoji = fc
      .tuple(fc.string({ maxLength: 10 }), fc.constantFrom('😀', '𠮷', '\ud83d', '\u0000', '\n'))
      .map(([text, bad]) => text + bad);
    const outTradeNo = fc
      .oneof(
        fc.string({ maxLength: 5 }),
        longer(32),
        fc.string().map((text) => `${text}中#123456`),
      )
      .filter((text) => !/^[0-9A-Za-z_\-|*]{6,32}$/.test(text));
    const outRefundNo = fc
      .oneof(
        fc.constant(''),
        longer(64),
        fc.string().map((text) => `${text}/中`),
      )
      .filter((text) => !/^[0-9A-Za-z_\-|*@]{1,64}$/.test(text));
    const wrongExpiry = fc.oneof(
      fc.date({ max: new Date(), noInvalidDate: true }),
      fc.date({ min: new Date(Date.now() + 7 * 86_400_000 + 60_000), noInvalidDate: true }),
      fc.constantFrom(new Date(Number.NaN), '2026-12-01', 1),
    );
    const rows: [string, fc.Arbitrary<object>, 'prepay' | 'refund'][] = [
      ['an amount that is not whole fen', notFen.map((amount) => ({ amount })), 'prepay'],
      ['a wrong outTradeNo', outTradeNo.map((value) => ({ outTradeNo: value })), 'prepay'],
      [
        'a description over 127 characters',
        longer(127).map((description) => ({ description })),
        'prepay',
      ],
      ['an attach over 128 characters', longer(128).map((attach) => ({ attach })), 'prepay'],
      ['a goodsTag over 32 characters', longer(32).map((goodsTag) => ({ goodsTag })), 'prepay'],
      [
        'a notifyUrl over 255 characters',
        longer(255).map((notifyUrl) => ({ notifyUrl })),
        'prepay',
      ],
      [
        'emoji',
        fc
          .tuple(fc.constantFrom('description', 'attach', 'goodsTag'), emoji)
          .map(([field, text]) => ({ [field]: text })),
        'prepay',
      ],
      [
        'no openid',
        fc.constantFrom('', undefined, null, 1, ' ', 'o\n').map((openid) => ({ openid })),
        'prepay',
      ],
      [
        'an expiry in the past or too far',
        wrongExpiry.map((expiresAt) => ({ expiresAt })),
        'prepay',
      ],
      ['a wrong outRefundNo', outRefundNo.map((value) => ({ outRefundNo: value })), 'refund'],
      ['a refund that is not whole fen', notFen.map((value) => ({ refund: value })), 'refund'],
      ['a total that is not whole fen', notFen.map((total) => ({ total })), 'refund'],
      [
        'a refund over the total',
        fc.integer({ min: 2201 }).map((value) => ({ refund: value })),
        'refund',
      ],
      [
        'a reason over 80 bytes',
        fc.integer({ min: 27, max: 60 }).map((n) => ({ reason: '因'.repeat(n) })),
        'refund',
      ],
      ['a reason with emoji', emoji.map((reason) => ({ reason })), 'refund'],
      [
        'both numbers of a payment, or none',
        fc.constantFrom({ transactionId: 't' }, { outTradeNo: undefined }),
        'refund',
      ],
    ];

    it.each(rows)(
      `%s: ERR_BAD_REQUEST, nothing is sent, ${RUNS} times`,
      async (_, changes, service) => {
        await fc.assert(
          fc.asyncProperty(changes, async (change) => {
            const call =
              service === 'prepay'
                ? payments.prepay({ ...prepay, ...change })
                : refunds.create({ ...refund, ...change });
            await expect(call).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
          }),
          { numRuns: RUNS },
        );
        expect(requests).toBe(0);
      },
    );

    it(`queries with invalid numbers: ERR_BAD_REQUEST, nothing is sent, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(outTradeNo, outRefundNo, async (order, refundNo) => {
          const calls = [
            async () => payments.query({ outTradeNo: order }),
            async () => payments.close(order),
            async () => refunds.query(refundNo),
            async () => payments.query({ transactionId: `${order}/` }),
          ];
          for (const call of calls)
            await expect(call()).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
        }),
        { numRuns: RUNS },
      );
      expect(requests).toBe(0);
    });
  });

  describe('notifications', () => {
    const NAMES = ['serial', 'timestamp', 'nonce', 'signature'].map((name) => `wechatpay-${name}`);

    it(`a header is missing, empty or sent twice: 401, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...NAMES),
          fc.constantFrom('gone', 'empty', 'twice', 'joined'),
          async (name, how) => {
            const { headers, body } = notification();
            const value = headers[name]!;
            const changed: Record<string, unknown> = {
              gone: undefined,
              empty: '',
              twice: [value, value],
              joined: `${value}, ${value}`,
            };
            await refuses({ headers: { ...headers, [name]: changed[how] }, body }, 401);
          },
        ),
        { numRuns: RUNS },
      );
    });

    it(`the serial is unknown, or names another kind of key: 401, ${RUNS} times`, async () => {
      const serials = fc.oneof(
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 40, maxLength: 40, unit: fc.constantFrom(...'0123456789ABCDEF') }),
        fc.constantFrom(
          '__proto__',
          'constructor',
          MERCHANT.certificateSerial,
          MERCHANT.wechatKeyId.toLowerCase(),
        ),
      );
      await fc.assert(
        fc.asyncProperty(serials, async (serial) =>
          refuses(signedMessage(notificationBody(paidOrder()), { serial }), 401),
        ),
        { numRuns: RUNS },
      );
    });

    it(`the timestamp differs by 300 s or more: 401, ${RUNS} times`, async () => {
      const ages = fc.oneof(
        fc.integer({ min: 301, max: 2 ** 31 }),
        fc.integer({ min: -(2 ** 31), max: -302 }),
        fc.constant(300),
      );
      await fc.assert(
        fc.asyncProperty(ages, async (age) =>
          refuses(signedMessage(notificationBody(paidOrder()), { age }), 401),
        ),
        { numRuns: RUNS },
      );
    });

    it(`the signature is wrong, not base64, or a probe: 401, ${RUNS} times; a probe is a line of debug`, async () => {
      const signatures = fc.oneof(
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64')),
        fc.string({ minLength: 1 }),
        fc.string().map((text) => `WECHATPAY/SIGNTEST/${text}`),
      );
      await fc.assert(
        fc.asyncProperty(signatures, async (signature) => {
          const { headers, body } = notification();
          await refuses({ headers: { ...headers, 'wechatpay-signature': signature }, body }, 401);
        }),
        { numRuns: RUNS },
      );
      expect(lines.join('\n')).toContain('A probe of WeChat Pay');
      expect(lines.join('\n')).not.toMatch(/oUpF8u|encrypt-resource|ciphertext/);
    });

    it(`the content does not decrypt, is not JSON, or has another shape: 400, ${RUNS} times`, async () => {
      const other = 'b7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb';
      const resources = fc.oneof(
        fc.constant(encryptedResource('{}', { key: other })),
        fc
          .string()
          .filter((text) => !text.trimStart().startsWith('{'))
          .map((text) => encryptedResource(text)),
        fc.constantFrom('[]', 'null', '1', '"x"').map((text) => encryptedResource(text)),
        fc.jsonValue(),
        fc.constantFrom('algorithm', 'nonce', 'ciphertext', 'associated_data').chain((field) =>
          fc
            .jsonValue()
            .filter((value) => value !== 'transaction')
            .map((value) => ({ ...encryptedResource('{}'), [field]: value })),
        ),
      );
      await fc.assert(
        fc.asyncProperty(resources, async (resource) =>
          refuses(signedMessage(notificationBody('{}', { over: { resource } })), 400),
        ),
        { numRuns: RUNS },
      );
      for (const body of ['', '{', '[]', 'null', '{}', '{"resource":1}', '\ufeff{}'])
        await refuses(signedMessage(Buffer.from(body)), 400);
      await refuses(signedMessage(Buffer.from([0xff, 0xfe, 0x7b])), 400);
    });

    it(`it belongs to another merchant: 403, ${RUNS} times; over 64 KB: 413`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), async (mchid) => {
          if (mchid === MERCHANT.mchId) return;
          await refuses(notification(paidOrder({ mchid })), 403);
        }),
        { numRuns: RUNS },
      );
      await refuses(signedMessage(Buffer.alloc(64 * 1024 + 1, ' ')), 413);
    });

    it(`one bit of body, signature, nonce or ciphertext is flipped: refused, ${FLIPS.toLocaleString('en')} times`, async () => {
      const { headers, body } = notification();
      const flip = (bytes: Buffer, bit: number): Buffer => {
        const copy = Buffer.from(bytes);
        copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7);
        return copy;
      };
      const bitOf = (i: number, length: number): number => (i * 7_919) % (length * 8);
      const signature = Buffer.from(headers['wechatpay-signature']!, 'base64');
      const statuses = new Map<number, number>();
      for (let i = 0; i < FLIPS; i++) {
        const message: PayMessage = { headers: { ...headers }, body };
        if (i % 4 === 0) message.body = flip(body, bitOf(i, body.length));
        else if (i % 4 === 1)
          message.headers['wechatpay-signature'] = flip(
            signature,
            bitOf(i, signature.length),
          ).toString('base64');
        else if (i % 4 === 2) {
          const nonce = Buffer.from(headers['wechatpay-nonce']!);
          message.headers['wechatpay-nonce'] = flip(nonce, bitOf(i, nonce.length)).toString(
            'latin1',
          );
        } else if (i % 40 === 3) {
          // Signing is slow, so every tenth of these has a valid signature over a changed ciphertext.
          const resource = encryptedResource(JSON.stringify(paidOrder()));
          const sealed = Buffer.from(resource['ciphertext']!, 'base64');
          resource['ciphertext'] = flip(sealed, bitOf(i, sealed.length)).toString('base64');
          Object.assign(message, signedMessage(notificationBody('{}', { over: { resource } })));
        } else {
          const text = body.toString();
          const at = text.indexOf('"ciphertext"') + 20;
          const copy = Buffer.from(body);
          copy[at + (i % 400)]! ^= 1;
          message.body = copy;
        }
        const { status } = await notifications.handle(message);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      expect([...statuses.keys()].toSorted((a, b) => a - b)).toEqual([400, 401]);
      expect([store.calls, shop.received.length]).toEqual([0, 0]);
    });

    it('control: the unchanged notification is handled, and a reader without signature check accepts a forged one', async () => {
      const order = paidOrder();
      expect(await notifications.handle(notification(order))).toMatchObject({ status: 204 });
      expect(shop.received).toHaveLength(1);
      const naive = (body: Buffer): string =>
        (JSON.parse(body.toString()) as { event_type: string }).event_type;
      expect(naive(notificationBody(order))).toBe('TRANSACTION.SUCCESS');
    });
  });
});
