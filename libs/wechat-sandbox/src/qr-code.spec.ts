import jpeg from 'jpeg-js';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { startWechatSandbox } from './index.js';
import type { WechatSandbox } from './index.js';
import { nextMinute, WechatClient } from './wechat-client.for-spec.js';

const UNLIMITED = '/wxa/getwxacodeunlimit';
const LIMITED = '/wxa/getwxacode';
const OLD = '/cgi-bin/wxaapp/createwxaqrcode';
const RELEASED = 'pages/recording/index';

let wechat: WechatSandbox;
let client: WechatClient;
let query: { access_token: string };

beforeAll(async () => {
  const apps = [
    {
      appId: 'wx00000000000000aa',
      secret: 'a'.repeat(32),
      releasedPages: ['pages/index/index', RELEASED],
    },
  ];
  wechat = await startWechatSandbox({
    apps,
    qrCodeLimit: 5,
    quotas: { [UNLIMITED]: { perMinute: 60 } },
  });
  client = new WechatClient(wechat);
  query = { access_token: (await client.stableToken()).access_token };
});
afterAll(() => wechat.close());

interface Picture {
  type: string | null;
  width: number;
  height: number;
  pixels: Buffer;
  headers: Headers;
}

async function draw(path: string, body: object): Promise<Picture> {
  const response = await client.send(path, query, { method: 'POST', body: JSON.stringify(body) });
  const type = response.headers.get('content-type');
  const bytes = Buffer.from(await response.arrayBuffer());
  const { width, height, data } = type === 'image/png' ? PNG.sync.read(bytes) : jpeg.decode(bytes);
  return { type, width, height, pixels: data, headers: response.headers };
}

function scan({ pixels, width, height }: Picture): unknown {
  return JSON.parse(jsQR.default(new Uint8ClampedArray(pixels), width, height)!.data);
}

const refuse = (body: object | string, path = UNLIMITED) => client.post(path, query, body);

describe('wxa/getwxacodeunlimit', () => {
  it('draws a JPEG of 430 pixels that any scanner reads', async () => {
    const picture = await draw(UNLIMITED, { scene: 'a=1&b=2' });
    expect(picture).toMatchObject({ type: 'image/jpeg', width: 430, height: 430 });
    expect(scan(picture)).toEqual({
      appid: 'wx00000000000000aa',
      page: '',
      scene: 'a=1&b=2',
      env_version: 'release',
    });
  });

  it.each([280, 1280])('draws %i pixels', async (width) => {
    const picture = await draw(UNLIMITED, {
      scene: "!#$&'()*+,/:;=?@-._~aZ09",
      page: RELEASED,
      width,
      env_version: 'trial',
    });
    expect(picture).toMatchObject({ width, height: width });
    expect(scan(picture)).toMatchObject({
      page: RELEASED,
      scene: "!#$&'()*+,/:;=?@-._~aZ09",
      env_version: 'trial',
    });
  });

  it('draws a transparent PNG in a colour', async () => {
    const picture = await draw(UNLIMITED, {
      scene: 'x',
      is_hyaline: true,
      line_color: { r: '200', g: 0, b: '10' },
    });
    expect(picture).toMatchObject({ type: 'image/png', width: 430 });
    expect(scan(picture)).toMatchObject({ scene: 'x' });
    const colours = new Set<string>();
    for (let i = 0; i < picture.pixels.length; i += 4)
      colours.add(picture.pixels.subarray(i, i + 4).join());
    expect([...colours].toSorted()).toEqual(['200,0,10,255', '255,255,255,0']);
    expect(scan(await draw(UNLIMITED, { scene: 'x', auto_color: true }))).toMatchObject({
      scene: 'x',
    });
  });

  it.each([
    [{}, 40169],
    [{ scene: '' }, 40169],
    [{ scene: 'x'.repeat(33) }, 40169],
    [{ scene: 12 }, 47001],
    [{ scene: '中文' }, 40129],
    [{ scene: 'a%20b' }, 40129],
    [{ scene: 'a b' }, 40129],
    [{ scene: 'scancode_time=1' }, 85096],
    [{ page: 'pages/scancode_time' }, 85096],
    [{ page: '/pages/index/index' }, 41030],
    [{ page: 'pages/index/index?a=1' }, 41030],
    [{ page: 'pages/unreleased' }, 41030],
    [{ page: 1 }, 47001],
    [{ env_version: 'beta' }, 40097],
    [{ width: 279 }, 40097],
    [{ width: 1281 }, 40097],
    [{ width: '430' }, 40097],
    [{ line_color: { r: 256 } }, 40097],
    [{ line_color: 'red' }, 40097],
    [{ is_hyaline: 'yes' }, 40097],
    [{ access_token: 'here' }, 47001],
  ])('refuses %j with %i', async (changed, errcode) => {
    expect(
      await refuse('scene' in changed || errcode === 40169 ? changed : { scene: 'x', ...changed }),
    ).toMatchObject({ errcode });
  });

  it('refuses a body that is not JSON, with JSON', async () => {
    const response = await client.send(UNLIMITED, query, {
      method: 'POST',
      body: new URLSearchParams({ scene: 'x' }),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/json; encoding=utf-8',
    ]);
    expect(await response.json()).toMatchObject({ errcode: 47001 });
    expect(await client.get(UNLIMITED, query)).toMatchObject({ errcode: 43002 });
  });

  it('draws unreleased pages without check_path', async () => {
    expect(
      scan(await draw(UNLIMITED, { scene: 'x', page: 'pages/new', check_path: false })),
    ).toMatchObject({ page: 'pages/new' });
  });

  it('is limited per minute, with 45009', async () => {
    nextMinute(wechat);
    for (let i = 0; i < 60; i++) await refuse({});
    expect(await refuse({ scene: 'x' })).toMatchObject({ errcode: 45009 });
    wechat.clock.advance('1m');
    expect(await refuse({})).toMatchObject({ errcode: 40169 });
  });
});

describe('wxa/getwxacode and cgi-bin/wxaapp/createwxaqrcode', () => {
  it('share one limit and return how much of it is used', async () => {
    const first = await draw(LIMITED, { path: 'pages/index/index?a=1' });
    expect(first.headers.get('num-used')).toBe('1');
    expect(scan(first)).toEqual({
      appid: 'wx00000000000000aa',
      path: 'pages/index/index?a=1',
      env_version: 'release',
    });
    const second = await draw(OLD, { path: 'pages/index/index', width: 300 });
    expect(second).toMatchObject({ type: 'image/jpeg', width: 300 });
    expect(second.headers.get('num-used')).toBe('2');
    for (const path of [LIMITED, OLD, LIMITED]) await draw(path, { path: 'x' });
    expect(await refuse({ path: 'x' }, OLD)).toMatchObject({ errcode: 45029 });
  });

  it.each([
    [LIMITED, {}, 40159],
    [LIMITED, { path: '' }, 40159],
    [LIMITED, { path: 'x'.repeat(1025) }, 40159],
    [OLD, { path: 'x'.repeat(129) }, 40159],
    [LIMITED, { path: 'x?scancode_time=1' }, 85096],
    [LIMITED, { path: 'x', env_version: 'beta' }, 40097],
    [OLD, { path: 'x', width: 10 }, 40097],
    [OLD, 'path=x', 47001],
  ])('%s refuses %j with %i', async (path, body, errcode) => {
    expect(await refuse(body, path)).toMatchObject({ errcode });
  });
});
