import { Logger } from '@nestjs/common';
import fc from 'fast-check';
import { openPush } from 'nestjs-wechat';
import type { MessagePushService, PushRequest } from 'nestjs-wechat';
import { createDecipheriv } from 'node:crypto';
import { CountingStore } from '../support/counting-store.js';
import { PLAIN, pushOptions, startPushServices } from '../support/push-app.js';
import type { PushServices, Received } from '../support/push-app.js';
import {
  encrypt,
  plainPush,
  PUSH,
  securePush,
  sha1,
  signedQuery,
  textMessage,
  toXml,
} from '../support/push-messages.js';
import type { Format, PushMessage } from '../support/push-messages.js';

const RUNS = 100;
const FLIPS = 10_000;
const FORMATS: Format[] = ['json', 'xml'];
const HEADERS = { 'Cache-Control': 'no-store' };

describe('bad input to message push', () => {
  const store = new CountingStore();
  const lines: string[] = [];
  let secure: PushServices;
  let plain: PushServices;

  beforeAll(async () => {
    for (const level of ['warn', 'error', 'log', 'debug'] as const)
      jest
        .spyOn(Logger.prototype, level)
        .mockImplementation((...args: unknown[]) => void lines.push(String(args[0])));
    secure = await startPushServices(pushOptions(undefined, { store }));
    plain = await startPushServices(pushOptions(PLAIN, { store }));
  });
  beforeEach(() => {
    store.calls = 0;
    lines.length = 0;
    for (const { received } of [secure, plain]) received.messages.length = 0;
  });
  afterAll(async () => {
    await secure.close();
    await plain.close();
    jest.restoreAllMocks();
  });

  /** Refused with this status and nothing else, and neither the handler nor the store has seen it. */
  async function refuses(
    { pushes, received }: { pushes: MessagePushService; received: Received },
    request: PushRequest,
    status: number,
  ): Promise<void> {
    const response = await pushes.handle(request);
    expect(response).toEqual({ status, headers: HEADERS, body: '' });
    expect([store.calls, received.messages.length]).toEqual([0, 0]);
  }

  describe('the check of the URL', () => {
    const get = (change: Record<string, string | undefined> = {}, signing = {}): PushRequest => ({
      method: 'GET',
      query: { ...signedQuery(undefined, signing), echostr: '4375120948345356249', ...change },
    });

    it(`without a right signature, timestamp or nonce: 403, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('signature', 'timestamp', 'nonce'),
          fc.oneof(fc.string(), fc.constant(undefined)),
          async (name, value) => refuses(secure, get({ [name]: value }), 403),
        ),
        { numRuns: RUNS },
      );
    });

    it('with another token, too old or in the future: 403', async () => {
      for (const signing of [
        { token: 'other' },
        { age: 3_602 },
        { age: -302 },
        { timestamp: '1e9' },
      ])
        await refuses(secure, get({}, signing), 403);
    });

    it('without an echostr, or with one of 300 characters: 403; with 256: its bytes', async () => {
      for (const echostr of [undefined, '', 'e'.repeat(257), 'e'.repeat(300)])
        await refuses(secure, get({ echostr }), 403);
      const html = `<script>${'e'.repeat(248)}`;
      expect(await secure.pushes.handle(get({ echostr: html }))).toMatchObject({
        status: 200,
        body: html,
        headers: { 'Content-Type': 'text/plain', 'X-Content-Type-Options': 'nosniff' },
      });
    });

    it('with a name twice: 403', async () => {
      const { query } = get();
      for (const name of ['signature', 'timestamp', 'nonce', 'echostr', 'other']) {
        const twice = new URLSearchParams(query as Record<string, string>);
        twice.append(name, 'x');
        if (name === 'other') twice.append(name, 'y');
        await refuses(secure, { method: 'GET', query: twice }, 403);
      }
    });
  });

  describe.each(FORMATS)('an encrypted push in %s', (format) => {
    const push = (options = {}, message = textMessage()) =>
      securePush(message, { format, ...options });

    it(`without a right msg_signature, timestamp or nonce: 403, also if signature is right, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('msg_signature', 'timestamp', 'nonce'),
          fc.oneof(fc.string(), fc.constant(undefined), fc.constant([]), fc.constant({})),
          async (name, value) => {
            const { query, body } = push();
            await refuses(secure, { query: { ...query, [name]: value }, body }, 403);
          },
        ),
        { numRuns: RUNS },
      );
      const { query, body } = push();
      const { msg_signature: _removed, ...rest } = query;
      await refuses(secure, { query: rest, body }, 403);
      await refuses(secure, { query: { ...query, msg_signature: query['signature']! }, body }, 403);
    });

    it('that is too old, in the future, of another token, key or app: 403', async () => {
      for (const options of [
        { age: 3_602 },
        { age: -302 },
        { timestamp: '' },
        { timestamp: '0x10' },
        { token: 'other' },
        { aesKey: PUSH.oldKey },
        { appId: 'wxother' },
        { appId: `${PUSH.appId}0` },
        { appId: PUSH.appId.slice(1) },
        { appId: '' },
      ])
        await refuses(secure, push(options), 403);
    });

    it('that is plain, or has clear fields beside another ciphertext: 403; only what is encrypted is believed', async () => {
      await refuses(secure, plainPush(textMessage(), { format }), 403);
      const beside = {
        ...textMessage(),
        MsgType: 'event',
        Event: 'user_authorization_cancellation',
      };
      const { query, body } = push({ beside });
      expect(await secure.pushes.handle({ query, body })).toMatchObject({ status: 200 });
      expect(secure.received.messages).toMatchObject([{ type: 'text' }]);
      expect(secure.received.messages[0]!.event).toBeUndefined();
    });

    it('whose padding, length or text is wrong: 403', async () => {
      const change = (edit: (frame: Buffer) => unknown) => (frame: Buffer) => {
        const copy = Buffer.from(frame);
        edit(copy);
        return copy;
      };
      const frames = [
        change((frame) => (frame[frame.length - 1] = 33)),
        change((frame) => (frame[frame.length - 1] = 0)),
        change((frame) => (frame[frame.length - 1] = 255)),
        change((frame) => (frame[frame.length - 2]! ^= 1)),
        change((frame) => frame.writeUInt32BE(0xffffffff, 16)),
        change((frame) => frame.writeUInt32BE(0, 16)),
        change((frame) => frame.writeUInt32BE(frame.readUInt32BE(16) - 1, 16)),
        () => Buffer.alloc(32, 32),
        () => Buffer.alloc(16, 16),
        () => Buffer.alloc(0),
      ];
      for (const frame of frames) await refuses(secure, push({ frame }), 403);
      const latin1 = Buffer.concat([
        Buffer.from('{"MsgType":"'),
        Buffer.from([0xe9]),
        Buffer.from('"}'),
      ]);
      await refuses(secure, securePush(latin1, { format }), 403);
    });

    it(`with one bit flipped anywhere: refused, ${FLIPS.toLocaleString('en')} times`, async () => {
      const { query, body } = push();
      const names = ['msg_signature', 'timestamp', 'nonce'] as const;
      const statuses = new Set<number>();
      const start = body.toString().search(/Encrypt/);
      for (let i = 0; i < FLIPS; i++) {
        const changed = { query: { ...query }, body: Buffer.from(body) };
        if (i % 4 === 3) {
          const bytes = Buffer.from(query[names[i % 3]!]!);
          bytes[(i * 7) % bytes.length]! ^= 1 << (i & 3);
          changed.query[names[i % 3]!] = bytes.toString('latin1');
        } else {
          // from "Encrypt" on: what is before it is neither signed nor read
          changed.body[start + ((i * 7_919) % (body.length - start))]! ^= 1 << (i & 7);
        }
        const response = await secure.pushes.handle(changed);
        if (response.status !== 200) statuses.add(response.status);
        else expect(equalCiphertext(changed.body, body)).toBe(true);
      }
      expect([...statuses]).toEqual([403]);
      expect(secure.received.messages.every(({ type }) => type === 'text')).toBe(true);
    });
  });

  /** Whether only bytes around the ciphertext differ, such as the end of the element. */
  const equalCiphertext = (one: Buffer, other: Buffer): boolean => {
    const of = (bytes: Buffer): string | undefined =>
      /[\w+/=]{100,}/.exec(bytes.toString('latin1'))?.[0];
    return of(one) === of(other);
  };

  describe('a plain push', () => {
    const text = (content: string | Buffer): PushMessage => plainPush(content);

    it(`without a right signature, timestamp or nonce: 403, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('signature', 'timestamp', 'nonce'),
          fc.oneof(fc.string(), fc.constant(undefined)),
          async (name, value) => {
            const { query, body } = plainPush(textMessage());
            await refuses(plain, { query: { ...query, [name]: value }, body }, 403);
          },
        ),
        { numRuns: RUNS },
      );
    });

    it('that is no message: 400', async () => {
      const deep = (levels: number) => `${'<a>'.repeat(levels)}${'</a>'.repeat(levels)}`;
      const fields = '<MsgType>text</MsgType>';
      for (const content of [
        '',
        'success',
        '[]',
        'null',
        '1',
        '"x"',
        '{',
        '{"Event":"debug_demo"}',
        '{"MsgType":""}',
        '{"MsgType":{}}',
        '{"MsgType":"text","__proto__":{"a":1}}',
        '{"MsgType":"text","a":[{"\\u005f_proto__":1}]}',
        `{"MsgType":"text","a":${'['.repeat(16)}${']'.repeat(16)}}`,
        '['.repeat(60_000),
        '<',
        '<xml>',
        '<xml/>',
        '<xml>text</xml>',
        `<xml>${fields}</xml><xml/>`,
        `<xml>${fields}<__proto__><a>1</a></__proto__></xml>`,
        `<!DOCTYPE xml><xml>${fields}</xml>`,
        `<!DOCTYPE xml [<!ENTITY a "b">]><xml>${fields}</xml>`,
        `<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml>${fields}<a>&a;</a></xml>`,
        `<xml>${fields}<a>&nbsp;</a></xml>`,
        `<xml>${fields}<a>&a;</a></xml>`,
        `<xml>${fields}<a>&#0;</a></xml>`,
        `<xml>${fields}${deep(16)}</xml>`,
        '<a>'.repeat(20_000),
        `<xml>${deep(9_000)}</xml>`,
        '{"action":"CheckContainerPaths"}',
      ])
        await refuses(plain, text(content), 400);
      await refuses(plain, text(Buffer.from([0x7b, 0xff, 0x7d])), 403);
    });

    it('at the limits is a message', async () => {
      const levels = (n: number): string => `${'<a>'.repeat(n)}x${'</a>'.repeat(n)}`;
      for (const content of [
        `<xml><MsgType>text</MsgType>${levels(15)}</xml>`,
        '<?xml version="1.0"?>\n<xml><MsgType>text</MsgType><a>&lt;&gt;&amp;&apos;&quot;&#65;&#x4f60;</a></xml>',
        `{"MsgType":"text","a":${'['.repeat(15)}${']'.repeat(15)}}`,
      ])
        expect(await plain.pushes.handle(text(content))).toMatchObject({ status: 200 });
      expect(plain.received.messages.map(({ type }) => type)).toEqual(['text', 'text', 'text']);
      expect(plain.received.messages[1]!.data['a']).toBe('<>&\'"A你');
    });

    it('over 64 KB: 413', async () => {
      await refuses(plain, text(Buffer.alloc(64 * 1024 + 1, ' ')), 413);
      await refuses(secure, text(Buffer.alloc(64 * 1024 + 1, ' ')), 413);
    });

    it('that probes the path of a container is answered success, if it is signed', async () => {
      for (const message of [
        { action: 'CheckContainerPath' },
        toXml({ action: 'CheckContainerPath' }),
      ]) {
        expect(await plain.pushes.handle(plainPush(message))).toMatchObject({
          status: 200,
          body: 'success',
        });
        await refuses(plain, plainPush(message, { token: 'other' }), 403);
        await refuses(secure, plainPush(message), 403);
      }
      expect([store.calls, plain.received.messages.length]).toEqual([0, 0]);
    });

    it(`of any JSON is a message or 400, never 500, and no number is rounded, ${RUNS} times`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.json(),
          fc.bigInt({ min: 10n ** 15n, max: 10n ** 30n }),
          async (json, id) => {
            const content = `{"MsgType":"text","FromUserName":"o${store.calls}","MsgId":${id},"big":-${id},"text":"${id}","any":${json}}`;
            const { status } = await plain.pushes.handle(text(content));
            expect([200, 400]).toContain(status);
            if (status !== 200) return;
            const { data } = plain.received.messages.at(-1)!;
            expect([data['MsgId'], data['big'], data['text']]).toEqual([
              `${id}`,
              `-${id}`,
              `${id}`,
            ]);
            expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
          },
        ),
        { numRuns: RUNS },
      );
      expect(plain.received.messages.length).toBeGreaterThan(RUNS / 2);
    });
  });

  it('tells nothing of a refused push in the log, and each line once a minute', async () => {
    const secret = 'CANARY-text';
    for (let i = 0; i < 50; i++) {
      await secure.pushes.handle(plainPush(textMessage({ Content: secret })));
      await secure.pushes.handle(securePush(textMessage({ Content: secret }), { appId: 'CANARY' }));
      await plain.pushes.handle(plainPush(`{"a":"${secret}"`));
    }
    expect(lines.join('\n')).not.toMatch(/CANARY|AAAAA|abcdefghij|o9AgO5/);
    expect(lines.length).toBeLessThan(6);
  });

  it('reads an unsigned body without the XML parser: 1,000 bombs of 64 KB take no second each', async () => {
    const bomb = Buffer.from(`<xml>${'<!---->'.repeat(9_300)}`);
    const { query } = securePush(textMessage(), { format: 'xml' });
    const startedAt = performance.now();
    for (let i = 0; i < 1_000; i++) await secure.pushes.handle({ query, body: bomb });
    expect((performance.now() - startedAt) / 1_000).toBeLessThan(20);
  });
});

describe('controls', () => {
  it('control: a ciphertext whose start was moved into the nonce has a right signature, and is refused', async () => {
    const services = await startPushServices();
    const nonce = 'a';
    const isAfterNonce = (text: string): boolean => text[0]! >= 'b';
    let encrypted: string;
    do encrypted = encrypt(Buffer.from(JSON.stringify(textMessage())));
    while (!isAfterNonce(encrypted) || !isAfterNonce(encrypted.slice(64)));
    const query = signedQuery(encrypted, { nonce });
    const [moved, rest] = [nonce + encrypted.slice(0, 64), encrypted.slice(64)];
    expect(sha1(PUSH.token, query['timestamp']!, moved, rest)).toBe(query['msg_signature']);
    const body = Buffer.from(JSON.stringify({ Encrypt: rest }));
    const cut = services.pushes.open({ query: { ...query, nonce: moved }, body });
    await expect(cut).rejects.toThrow('its nonce is missing or too long');
    await expect(services.pushes.open(securePush(textMessage(), { nonce: '' }))).rejects.toThrow(
      'nonce',
    );
    await services.close();
  });

  it('control: the unchanged push is handled', async () => {
    const services = await startPushServices();
    for (const format of FORMATS)
      expect(await services.pushes.handle(securePush(textMessage(), { format }))).toMatchObject({
        status: 200,
      });
    expect(services.received.messages).toHaveLength(2);
    await services.close();
  });

  it('control: two messages with one MsgId are two messages, and a store of MsgIds loses one', async () => {
    const services = await startPushServices();
    const MsgId = '24702107513577842';
    const one = textMessage({ MsgId, FromUserName: 'o1' });
    const two = textMessage({ MsgId, FromUserName: 'o2' });
    const later = textMessage({ MsgId, FromUserName: 'o1', CreateTime: 1714112446 });
    const seen = new Set<string>();
    const naive: unknown[] = [];
    for (const message of [one, two, later, one]) {
      await services.pushes.handle(securePush(message));
      if (!seen.has(MsgId)) naive.push(message);
      seen.add(MsgId);
    }
    expect([services.received.messages.length, naive.length]).toEqual([3, 1]);
    await services.close();
  });

  it('control: a reader that decrypts without verifying takes a push that was changed on its way', async () => {
    const services = await startPushServices();
    const message = Buffer.from(
      `{"MsgType":"event","Event":"debug_demo","amount":"100"}${' '.repeat(32)}`,
    );
    const encrypted = Buffer.from(encrypt(message), 'base64');
    // In CBC, a changed bit of one block changes the same bit of the next block.
    const at = 20 + message.indexOf('100"') - 16;
    encrypted[at]! ^= '1'.charCodeAt(0) ^ '9'.charCodeAt(0);
    const body = Buffer.from(JSON.stringify({ Encrypt: encrypted.toString('base64') }));
    const key = Buffer.from(PUSH.aesKey, 'base64');
    const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(
      false,
    );
    const frame = Buffer.concat([decipher.update(encrypted), decipher.final()]);
    expect(frame.toString('latin1')).toContain('"900"');
    expect(frame.toString('latin1')).toContain(PUSH.appId);
    const query = signedQuery(encrypt(message));
    expect(query['signature']).toBe(sha1(PUSH.token, query['timestamp']!, query['nonce']!)); // what a naive reader checks
    expect(await services.pushes.handle({ query, body })).toMatchObject({ status: 403 });
    expect(services.received.messages).toEqual([]);
    await services.close();
  });
});

it('a limit that the docs name: a copy of a push is accepted again at the time that its nonce is', () => {
  const later = Math.floor(Date.now() / 1000) + 30 * 24 * 3600;
  const { query, body } = securePush(textMessage(), { nonce: String(later) });
  const input = { token: PUSH.token, aesKeys: [PUSH.aesKey], appId: PUSH.appId, body };
  const now = new Date(later * 1000);
  expect(() => openPush({ ...input, query, now })).toThrow('too old');
  const swapped = { ...query, timestamp: query['nonce'], nonce: query['timestamp'] };
  const { createdAt } = openPush({ ...input, query: swapped, now });
  expect(createdAt.getTime()).toBeLessThan(later * 1000 - 29 * 24 * 3600_000);
});
