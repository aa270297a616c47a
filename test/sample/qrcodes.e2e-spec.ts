import { decode as decodeJpeg } from 'jpeg-js';
import jsqr from 'jsqr';
import { PNG } from 'pngjs';
import { CAFE, refusal, REFUSALS, seen, startCentral } from '../support/central.js';
import type { Central } from '../support/central.js';

const UNLIMITED = '/wxa/getwxacodeunlimit';

describe('POST /qrcodes', () => {
  let s: Central;
  let token: string;
  beforeAll(async () => {
    s = await startCentral({ env: { WECHAT_API_TIMEOUT: '30s' } }); // the sandbox draws its codes in this process, which takes seconds on a busy machine
    token = await s.miniToken();
  });
  afterEach(() => s.wechat.clear());
  afterAll(() => s.close());

  /** Sends a request and returns the image. */
  const draw = async (body: object, session = token) => {
    const headers = { authorization: `Bearer ${session}`, 'content-type': 'application/json' };
    const response = await fetch(`${s.url}/qrcodes`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return {
      status: response.status,
      headers: response.headers,
      image: Buffer.from(await response.arrayBuffer()),
    };
  };
  const scan = (data: Uint8Array, width: number, height: number) =>
    jsqr.default(new Uint8ClampedArray(data), width, height)?.data;

  it('returns the image with its type and length, without an envelope', async () => {
    const { status, headers, image } = await draw({
      scene: 'id=42',
      page: 'pages/index/index',
      width: 300,
    });
    expect([status, headers.get('content-type'), headers.get('content-length')]).toEqual([
      200,
      'image/jpeg',
      String(image.length),
    ]);
    const { data, width, height } = decodeJpeg(image);
    expect([width, scan(data, width, height)]).toEqual([300, expect.stringContaining('id=42')]);
  });

  it('returns a PNG if the background is transparent', async () => {
    const { headers, image } = await draw({
      scene: 'a',
      isHyaline: true,
      lineColor: '{"r":"200","g":"0","b":"0"}',
      width: 280,
    });
    expect(headers.get('content-type')).toBe('image/png');
    expect(PNG.sync.read(image).width).toBe(280);
  });

  it('creates a code of the app of the session, not of the body, and calls WeChat once for equal codes', async () => {
    const cafe = await s.miniToken(undefined, CAFE);
    const before = s.wechat.requestsTo(UNLIMITED).length;
    const [mine, again, theirs] = [
      await draw({ scene: 'b' }),
      await draw({ scene: 'b', appId: CAFE.appId }),
      await draw({ scene: 'b' }, cafe),
    ];
    const appIn = ({ image }: { image: Buffer }) =>
      JSON.parse(scan(decodeJpeg(image).data, 430, 430)!).appid;
    expect(again.image.equals(mine.image)).toBe(true);
    expect([appIn(mine) === CAFE.appId, appIn(theirs)]).toEqual([false, CAFE.appId]);
    expect(s.wechat.requestsTo(UNLIMITED).length - before).toBe(2);
  });

  it.each<[string, object | undefined, unknown[]]>([
    ['nothing', undefined, REFUSALS.scene],
    ['no scene', {}, REFUSALS.scene],
    ['a long scene', { scene: 'a'.repeat(33) }, REFUSALS.scene],
    ['a scene of another type', { scene: { a: 1 } }, REFUSALS.scene],
    [
      'a page that starts with a slash',
      { scene: 'a', page: '/pages/a' },
      [400, expect.objectContaining({ error: 'ERR_BAD_REQUEST' })],
    ],
    [
      'a width as text',
      { scene: 'a', width: '430' },
      [400, expect.objectContaining({ error: 'ERR_BAD_REQUEST' })],
    ],
    ['a page that is not released', { scene: 'a', page: 'pages/secret' }, REFUSALS.page],
  ])('refuses %s', async (_, body, expected) => {
    expect(seen(await s.call('POST /qrcodes', { token, body }))).toEqual(expected);
  });

  it('needs a session in a header', async () => {
    const before = s.wechat.requests.length;
    expect(seen(await s.call('POST /qrcodes', { body: { scene: 'a' } }))).toEqual(
      REFUSALS.unauthorized,
    );
    expect(
      seen(
        await s.call(`POST /qrcodes?token=${token}`, { body: { scene: 'a', sessionkey: token } }),
      ),
    ).toEqual(REFUSALS.unauthorized);
    expect(
      seen(await s.call('POST /qrcodes', { token: await s.mobileToken(), body: { scene: 'a' } })),
    ).toEqual(REFUSALS.unauthorized);
    expect(s.wechat.requests.slice(before).map(({ path }) => path)).not.toContain(UNLIMITED);
  });

  it('never returns JSON or a part of an image as an image', async () => {
    const { image } = await draw({ scene: 'whole', isHyaline: true });
    for (const fault of [
      { body: { errcode: 41030, errmsg: 'x' }, contentType: 'image/jpeg' },
      { body: { any: 'thing' } },
      { body: image.subarray(0, -20), contentType: 'image/png' },
      { body: image, contentType: 'application/json' },
      { body: '<svg/>', contentType: 'image/svg+xml' },
      { body: Buffer.alloc(10_000_000, image), contentType: 'image/png' },
    ]) {
      s.wechat.always(UNLIMITED, fault);
      const response = await s.call('POST /qrcodes', { token, body: { scene: 'broken' } });
      expect([seen(response), response.headers.get('content-type')]).toEqual([
        REFUSALS.response,
        expect.stringContaining('application/json'),
      ]);
    }
    s.wechat.clear();
    expect((await draw({ scene: 'broken' })).headers.get('content-type')).toBe('image/jpeg');
  });

  it('returns 429 if the quota of WeChat is used up', async () => {
    s.wechat.next(UNLIMITED, { errcode: 45009 });
    const response = await s.call('POST /qrcodes', { token, body: { scene: 'quota' } });
    expect([seen(response), response.headers.get('retry-after')]).toEqual([
      [429, refusal(45009, 'too many requests', 'ERR_WECHAT_RATE_LIMIT')],
      '60',
    ]);
  });
});

describe('the limit of POST /qrcodes', () => {
  let s: Central;
  beforeAll(async () => {
    s = await startCentral({ env: { WECHAT_API_TIMEOUT: '30s', QRCODE_RATE_LIMIT: '3' } });
  });
  beforeEach(() => s.wechat.clear());
  afterAll(() => s.close());

  const draw = (token: string, scene: string) =>
    s.call('POST /qrcodes', { token, body: { scene, width: 280 } });

  it('counts the codes of one user in all sessions, and not those of other users', async () => {
    const user = s.wechat.users.create();
    const [phone, tablet] = [await s.miniToken(user), await s.miniToken(user)];
    const responses = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((n) => draw(n % 2 ? phone : tablet, `n=${n}`)),
    );
    expect(responses.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 200, 200, 429, 429, 429,
    ]);
    const refused = responses.find(({ status }) => status === 429)!;
    expect(refused.body.error).toBe('ERR_WECHAT_RATE_LIMIT');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await draw(await s.miniToken(), 'other')).status).toBe(200);
    expect(s.wechat.requestsTo(UNLIMITED)).toHaveLength(4);
  });

  it('is reset after a minute', async () => {
    const token = await s.miniToken();
    for (const scene of ['a', 'b', 'c']) await draw(token, scene);
    expect((await draw(token, 'd')).status).toBe(429);
    s.wechat.clock.advance('61s');
    expect((await draw(token, 'd')).status).toBe(200);
  });

  it('does not count a request that is refused before WeChat is called', async () => {
    const token = await s.miniToken();
    for (let i = 0; i < 10; i++) expect((await draw(token, 'a'.repeat(33))).status).toBe(400);
    for (const scene of ['a', 'b', 'c']) expect((await draw(token, scene)).status).toBe(200);
    expect((await draw(token, 'd')).status).toBe(429);
  });
});
