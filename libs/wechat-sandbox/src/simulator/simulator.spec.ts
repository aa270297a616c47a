import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startWechatSandbox } from '../index.js';
import type { WechatSandbox } from '../index.js';
import { WechatClient } from '../wechat-client.for-spec.js';
import { masked, maskedPath, shortened } from './masking.js';
import type { NumberedMessage } from './traffic.js';

let wechat: WechatSandbox;
let app: Server;
let handle: RequestListener = (_request, response) => response.writeHead(404).end();

const page = { 'simulator-user': 'alice' };

beforeAll(async () => {
  app = createServer((request, response) => handle(request, response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => app.once('listening', resolve));
  wechat = await startWechatSandbox({ demoUsers: true });
  wechat.simulate(`http://127.0.0.1:${(app.address() as AddressInfo).port}`);
  token = await tokenOf(wechat);
});
afterAll(async () => {
  await wechat.close();
  app.close();
});

let token: string;

/** Calls the simulator as its page does. */
const get = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${wechat.url}/simulator${path}`, {
    redirect: 'manual',
    ...init,
    headers: { 'simulator-token': token, ...(init.headers as object) },
  });

/** Reads the token from the page. */
async function tokenOf({ url }: WechatSandbox): Promise<string> {
  const html = await (await fetch(`${url}/simulator/`)).text();
  return /name="simulator-token" content="([\w-]{43})"/.exec(html)?.[1] ?? '';
}

type Said = NumberedMessage & { run: string };

/** All that was said so far. */
async function traffic(headers: Record<string, string> = {}): Promise<Said[]> {
  const { body } = await get('/events', { headers });
  let text = '';
  for await (const piece of body!) {
    text += Buffer.from(piece).toString();
    if (text.includes('event: live')) break;
  }
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => ({
      ...(JSON.parse(line.slice(6)) as NumberedMessage),
      run: /event: run\ndata: (\S+)/.exec(text)?.[1] ?? '',
    }));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text;
}

describe('the page', () => {
  it('has a policy that allows only its own files', async () => {
    const index = await get('/');
    expect(index.headers.get('content-security-policy')).toContain(
      "default-src 'none'; script-src 'self'; style-src 'self'",
    );
    expect(await index.text()).not.toMatch(/https?:|<script>|onclick|style=/);
  });

  it.each([
    '/page/main.js',
    '/page/simulator.css',
    '/page/icon.svg',
    '/vendor/lit-html.js',
    '/vendor/directives/repeat.js',
  ])('serves %s', async (path) => expect((await get(path)).status).toBe(200));

  it.each([
    '/page/..%2fsimulator.ts',
    '/page/nothing.js',
    '/vendor/..%2fpackage.json',
    '/vendor/node/lit-html.js',
    '/vendor/package.json',
  ])('does not serve %s', async (path) => expect((await get(path)).status).toBe(404));

  it('redirects to its address with a slash', async () => {
    expect((await get('')).headers.get('location')).toBe('/simulator/');
  });

  it('shows no secret of an app', async () => {
    const world = await (await get('/world')).text();
    for (const { appId, secret } of wechat.apps) {
      expect(world).toContain(appId);
      expect(world).not.toContain(secret);
    }
  });
});

describe('its texts', () => {
  const files = readdirSync(join(__dirname, 'page')).map(
    (name) => [name, readFileSync(join(__dirname, 'page', name), 'utf8')] as const,
  );
  const code = files.map(([, text]) => text).join('\n');
  const known = new Set([...code.matchAll(/^ {2}'?([\w./-]+)'?: \[/gm)].map(([, key]) => key!));

  it('exist for every key that is used', () => {
    const used = [...code.matchAll(/\bt\('([^']+)'/g)].map(([, key]) => key!);
    expect(used.length).toBeGreaterThan(50);
    expect(used.filter((key) => !known.has(key))).toEqual([]);
  });

  it('are all used', () => {
    const dynamic = /^(note|cure)\.|^condition[A-Z]/;
    const texts = files.find(([name]) => name === 'texts.js')![1];
    const keys = [...texts.matchAll(/^ {2}'?([\w./-]+)'?: \[/gm)]
      .map(([, key]) => key!)
      .slice(0, -6); // the last six are the buttons
    expect(keys.filter((key) => !dynamic.test(key) && !code.includes(`'${key}'`))).toEqual([]);
  });
});

describe('the proxy to the server', () => {
  it('forwards method, path, query, headers and body, and returns the response', async () => {
    handle = (request, response) => {
      void textOf(request).then((text) =>
        response
          .writeHead(201, { 'x-custom': 'yes' })
          .end(`${request.method} ${request.url} ${String(request.headers['x-a'])} ${text}`),
      );
    };
    const response = await get('/app/deep/er?a=1&b=%2F', {
      method: 'PUT',
      headers: { 'x-a': 'b' },
      body: 'hello',
    });
    expect([response.status, response.headers.get('x-custom'), await response.text()]).toEqual([
      201,
      'yes',
      'PUT /deep/er?a=1&b=%2F b hello',
    ]);
  });

  it('streams bodies', async () => {
    handle = (request, response) => void request.once('data', (piece) => response.end(piece));
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('first')),
    });
    const response = await get('/app/', {
      method: 'POST',
      body: endless,
      duplex: 'half',
    } as RequestInit);
    expect(await response.text()).toBe('first');
  });

  it('returns a redirect and does not follow it', async () => {
    handle = (_request, response) =>
      response.writeHead(302, { location: 'http://example.com/' }).end();
    const response = await get('/app/');
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      'http://example.com/',
    ]);
  });

  it('forwards the Origin, and no other header that the browser adds', async () => {
    handle = (request, response) => response.end(JSON.stringify(request.headers));
    const headers = {
      ...page,
      cookie: 'a=b',
      origin: wechat.url,
      referer: `${wechat.url}/x`,
      'sec-fetch-site': 'same-origin',
    };
    const seen = (await (await get('/app/', { headers })).json()) as Record<string, string>;
    expect(seen['origin']).toBe(wechat.url);
    expect(Object.keys(seen)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(cookie|referer|sec-.*|simulator-.*)$/)]),
    );
  });

  it('returns no header that changes the browser’s state, and an inert body', async () => {
    handle = (_request, response) =>
      response
        .writeHead(200, {
          'content-type': 'text/html',
          'set-cookie': 'a=b',
          'access-control-allow-origin': '*',
          'content-security-policy': "script-src 'unsafe-inline'",
          refresh: '0;url=/',
        })
        .end('<script>1</script>');
    const { headers } = await get('/app/');
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; frame-ancestors 'self'; sandbox",
    );
    for (const name of ['set-cookie', 'access-control-allow-origin', 'refresh'])
      expect([name, headers.get(name)]).toEqual([name, null]);
  });

  it('returns a refusal to the page without an error in the console of the browser', async () => {
    handle = (_request, response) => response.writeHead(401).end('{}');
    const response = await get('/app/me', { headers: page });
    expect([response.status, response.headers.get('simulator-status')]).toEqual([200, '401']);
    expect((await get('/app/me')).status).toBe(401);
  });

  it('reports that the server does not respond', async () => {
    const lonely = await startWechatSandbox();
    const ask = async (): Promise<unknown> =>
      (
        await fetch(`${lonely.url}/simulator/app/me`, {
          headers: { 'simulator-token': await tokenOf(lonely) },
        })
      ).json();
    expect(await ask()).toEqual({ error: expect.stringContaining('wechat.simulate(url)') });
    lonely.simulate('http://127.0.0.1:1');
    expect(await ask()).toEqual({
      error: expect.stringContaining('http://127.0.0.1:1 did not respond'),
    });
    await lonely.close();
  });

  it.each([
    'https://127.0.0.1',
    'http://example.com',
    'http://10.0.0.1:3000',
    'file:///etc',
    'nonsense',
  ])('does not forward to %s', async (url) => {
    expect(() => wechat.simulate(url)).toThrow('Give it a server on this machine');
    await expect(startWechatSandbox({ simulator: { appBaseUrl: url } })).rejects.toThrow(
      'Give it a server on this machine',
    );
  });

  it.each(['/app/me', '/website/login?code=1', '/scan'])(
    'needs the token of the page: %s',
    async (path) => {
      handle = (_request, response) => response.end('reached');
      for (const wrong of ['', 'x'.repeat(43), `${token}x`]) {
        const response = await get(path, { method: 'POST', headers: { 'simulator-token': wrong } });
        expect([response.status, await response.json()]).toEqual([
          403,
          { error: expect.stringContaining('Only the simulator’s page') },
        ]);
      }
    },
  );
});

describe('the traffic', () => {
  it('shows request and response of the mini program with shortened secrets', async () => {
    handle = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          data: { session_rd: 'srd_0123456789012345678901234567890123456789abc' },
        }),
      );
    };
    const headers = {
      ...page,
      authorization: 'Bearer srd_0123456789012345678901234567890123456789xyz',
      'content-type': 'application/json',
    };
    await (
      await get('/app/auth/refresh?a=1', { method: 'POST', headers, body: '{"secret":"s3cr3t"}' })
    ).text();
    const [question, reply] = (await traffic()).slice(-2);
    expect(question).toMatchObject({
      from: 'client',
      to: 'server',
      title: 'POST /auth/refresh',
      user: 'alice',
      query: { a: '1' },
    });
    expect(question).toMatchObject({
      body: { secret: '██████' },
      headers: { Authorization: 'Bearer srd_0123…9xyz (47)' },
    });
    expect(reply).toMatchObject({
      from: 'server',
      to: 'client',
      responseTo: question!.id,
      status: 200,
    });
    expect(reply).toMatchObject({ body: { data: { session_rd: 'srd_0123…9abc (47)' } } });
  });

  it('shows calls to WeChat without secret, session_key and access_token', async () => {
    const { code } = await wechat.users.get('alice')!.login();
    const session = await new WechatClient(wechat).exchange(code);
    const [question, reply] = (await traffic()).slice(-2);
    expect(question).toMatchObject({
      from: 'server',
      to: 'wechat',
      title: 'GET /sns/jscode2session',
      query: { secret: '██████' },
    });
    expect(reply).toMatchObject({ body: { session_key: '██████', openid: session.openid } });
    expect(JSON.stringify(await traffic())).not.toContain(session.session_key);
  });

  it('shows a reset connection as no response', async () => {
    wechat.next('/sns/jscode2session', { reset: 'after-work' });
    await fetch(`${wechat.url}/sns/jscode2session`).catch(() => {});
    expect((await traffic()).at(-1)).toMatchObject({ status: 0, title: 'GET /sns/jscode2session' });
  });

  it('shows calls of the control plane: actions of a user as calls, the others as remarks', async () => {
    const post = (path: string, body = {}): Promise<Response> =>
      fetch(`${wechat.url}/sandbox/${path}`, { method: 'POST', body: JSON.stringify(body) });
    await post('users/alice/login');
    await post('clock/advance', { by: '5m' });
    await post('users/alice/rotateSessionKey');
    await post('users/nobody/login');
    expect((await traffic()).slice(-4)).toEqual([
      expect.objectContaining({ from: 'client', to: 'wechat', title: 'wx.login', user: 'alice' }),
      expect.objectContaining({ from: 'wechat', to: 'client', title: 'wx.login', status: 200 }),
      expect.objectContaining({
        from: 'wechat',
        to: 'wechat',
        title: 'clock/advance',
        body: { by: '5m' },
      }),
      expect.objectContaining({
        from: 'wechat',
        to: 'wechat',
        title: 'rotateSessionKey',
        user: 'alice',
      }),
    ]);
  });

  it('continues where a page has disconnected', async () => {
    const { run, id } = (await traffic()).at(-1)!;
    const seen = `${run}/${id}`;
    await fetch(`${wechat.url}/sandbox/clock/advance`, { method: 'POST', body: '{"by":"1s"}' });
    expect((await traffic({ 'last-event-id': seen })).map(({ title }) => title)).toEqual([
      'clock/advance',
    ]);
    expect((await traffic({ 'last-event-id': 'another-run/9999' })).length).toBeGreaterThan(1);
  });
});

describe('a scan', () => {
  it('reads the codes of this sandbox and no others', async () => {
    const client = new WechatClient(wechat);
    const body = JSON.stringify({ scene: 'from=alice', page: 'pages/index/index' });
    const drawn = await client.send('/wxa/getwxacodeunlimit', await client.withToken(), {
      method: 'POST',
      body,
    });
    const image = Buffer.from(await drawn.arrayBuffer());
    const scan = (picture: Buffer<ArrayBuffer>): Promise<Response> =>
      get('/scan', { method: 'POST', body: picture });
    expect(await (await scan(image)).json()).toEqual({
      scene: 'from=alice',
      page: 'pages/index/index',
    });
    expect((await scan(Buffer.from('another image'))).status).toBe(404);
  });
});

describe('masking', () => {
  it('masks at every depth and keeps other fields', () => {
    const shown = masked({
      code: 200,
      list: [{ access_token: 'a', n: 1 }],
      deep: { Session_Key: 'k' },
      openid: 'o',
      nothing: null,
    });
    expect(shown).toEqual({
      code: 200,
      list: [{ access_token: '██████', n: 1 }],
      deep: { Session_Key: '██████' },
      openid: 'o',
      nothing: null,
    });
  });

  it('shows both ends of a long secret, and very little of a short one', () => {
    expect(shortened('0123456789'.repeat(4))).toBe('01234567…6789 (40)');
    expect(shortened('12345')).toBe('… (5)');
  });

  it('hides the secret in the paths of the central service', () => {
    expect(maskedPath('/wx/mini/v1/wx1/s3cr3t/access_token')).toBe(
      '/wx/mini/v1/wx1/██████/access_token',
    );
    expect(maskedPath('/wx/v1/wx1/t0k3n/userInfo')).toBe('/wx/v1/wx1/██████/userInfo');
    expect(maskedPath('/me/phone')).toBe('/me/phone');
  });
});
