import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { startWechatSandbox } from '../index.js';
import type { WechatSandbox } from '../index.js';
import { requireKnownHost } from './request-guard.js';

let wechat: WechatSandbox;

beforeAll(async () => {
  wechat = await startWechatSandbox({ demoUsers: true });
});
afterAll(() => wechat.close());

interface Seen {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

/** Sends a request with these headers, Host included, which `fetch` does not allow. */
function send(path: string, headers: Record<string, string>, method = 'GET'): Promise<Seen> {
  const { port } = new URL(wechat.url);
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, method }, (response) => {
      let body = '';
      response.on('data', (piece) => (body += piece));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    })
      .on('error', reject)
      .end();
  });
}

/** Writes the head of a request to a socket and returns the beginning of the response. */
function sendRaw(url: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write(`${head}\r\n\r\n`),
    );
    socket.once('error', reject).once('data', (data) => {
      resolve(String(data));
      socket.destroy();
    });
  });
}

const ROUTES = [
  '/sandbox',
  '/sandbox/users',
  '/sandbox/nothing',
  '/simulator',
  '/simulator/',
  '/simulator/page/main.js',
  '/simulator/world',
  '/simulator/events',
  '/simulator/app/me',
  '/simulator/website/callback',
  '/cgi-bin/token',
  '/sns/jscode2session',
  '/connect/qrconnect',
  '/nothing',
  '/',
];

describe('DNS rebinding', () => {
  it.each(ROUTES)('is refused at %s', async (path) => {
    for (const host of ['rebound.example', `rebound.example:${new URL(wechat.url).port}`])
      expect(await send(path, { host })).toMatchObject({ status: 403 });
  });

  it.each([
    '127.0.0.1.example',
    'localhost.example',
    'localhost.',
    'a.localhost',
    '10.0.0.1',
    '0.0.0.0',
    '[::2]',
    '127.0.0.1@evil.example',
    'evil.example:127.0.0.1',
  ])('is refused under the name %p', async (host) => {
    expect(await send('/sandbox/users', { host })).toMatchObject({ status: 403 });
  });

  it.each(['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', 'localhost:1', '127.0.0.1:65535'])(
    'accepts the name %p with any port, as a container may map ports',
    async (host) => {
      expect(await send('/sandbox/users', { host })).toMatchObject({ status: 200 });
    },
  );

  it('is refused without a name', async () => {
    expect(await sendRaw(wechat.url, 'GET /sandbox/users HTTP/1.0')).toMatch(/^HTTP\/1.1 403 /);
  });

  it('works on a server that does not check the name', async () => {
    const naive = createServer((_request, response) => response.end('alice')).listen(0);
    const url = `http://127.0.0.1:${(naive.address() as AddressInfo).port}`;
    expect(await sendRaw(url, 'GET /sandbox/users HTTP/1.1\r\nHost: rebound.example')).toMatch(
      /^HTTP\/1.1 200 OK[^]*alice/,
    );
    naive.closeAllConnections();
    naive.close();
  });
});

describe('the host option', () => {
  it('is the one more name that clients may use, for example a service of docker compose', async () => {
    const server = fastify();
    requireKnownHost(server, 'WeChat');
    server.get('/', () => 'reached');
    const ask = async (host: string): Promise<number> =>
      (await server.inject({ url: '/', headers: { host } })).statusCode;
    expect(await ask('wechat:3100')).toBe(200);
    expect(await ask('localhost:3100')).toBe(200);
    expect(await ask('other:3100')).toBe(403);
    expect(await ask('wechat.example')).toBe(403);
    await server.close();
  });

  it('accepts the address of the connection for a wildcard, and no name', async () => {
    const former = wechat;
    wechat = await startWechatSandbox({ host: '0.0.0.0' });
    const ask = async (host: string): Promise<number> => (await send('/sandbox', { host })).status;
    expect(await Promise.all(['127.0.0.1', 'sandbox', '0.0.0.0'].map(ask))).toEqual([
      200, 403, 403,
    ]);
    await wechat.close();
    wechat = former;
  });
});

describe('a request of a browser', () => {
  const own = (): string => wechat.url;
  const host = (): string => new URL(wechat.url).host;
  const from = (site: string, mode: string, dest = 'empty'): Record<string, string> => ({
    host: host(),
    'sec-fetch-site': site,
    'sec-fetch-mode': mode,
    'sec-fetch-dest': dest,
  });

  it.each(['http://localhost:5173', 'https://evil.example', 'null', 'http://127.0.0.1', ''])(
    'with the Origin %p is refused everywhere',
    async (origin) => {
      for (const path of ROUTES)
        expect([path, (await send(path, { host: host(), origin })).status]).toEqual([path, 403]);
    },
  );

  it.each(['cross-site', 'same-site'])('that a %s page causes is refused', async (site) => {
    for (const path of ROUTES) {
      expect([path, (await send(path, from(site, 'no-cors', 'image'))).status]).toEqual([
        path,
        403,
      ]);
      expect([path, (await send(path, from(site, 'navigate', 'iframe'), 'POST')).status]).toEqual([
        path,
        403,
      ]);
    }
  });

  it('may open the simulator and a consent page by a link, and no API', async () => {
    const link = from('cross-site', 'navigate', 'document');
    expect(await send('/simulator/', link)).toMatchObject({ status: 200 });
    expect(await send('/connect/qrconnect', link)).toMatchObject({ status: 400 });
    expect(await send('/cgi-bin/token', link)).toMatchObject({ status: 403 });
    expect(await send('/simulator/app/me', link)).toMatchObject({ status: 403 });
  });

  it('of the sandbox’s own page reaches the control plane, and no API as a script', async () => {
    const ofPage = { ...from('same-origin', 'cors'), origin: own() };
    expect(await send('/sandbox/users', ofPage)).toMatchObject({ status: 200 });
    expect(
      await send('/sns/jscode2session', from('same-origin', 'no-cors', 'script')),
    ).toMatchObject({ status: 403 });
  });
});

describe('every response', () => {
  it.each(ROUTES.filter((path) => path !== '/simulator/events'))(
    'has a content security policy and is not sniffed: %s',
    async (path) => {
      const { headers } = await send(path, { host: '127.0.0.1' });
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; /);
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    },
  );

  it.each([
    { body: '<script>1</script>', contentType: 'text/html' },
    { status: 502 },
    {
      body: '<script>1</script>',
      headers: {
        'content-type': 'text/html',
        'Content-Security-Policy': "script-src 'unsafe-inline'",
        'X-Content-Type-Options': 'none',
      },
    },
    {
      body: '<script>1</script>',
      contentType: 'text/html',
      drip: '1ms',
      dripFrom: 'headers' as const,
    },
    { redirect: '/simulator/' },
  ])('that a fault sets is inert: %j', async (fault) => {
    wechat.next('/connect/qrconnect', fault);
    const { headers } = await send('/connect/qrconnect', { host: '127.0.0.1' });
    expect(headers).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'self'; sandbox",
      'x-content-type-options': 'nosniff',
    });
  });

  it('is inert when the function of a test throws', async () => {
    wechat.next('/sns/jscode2session', {
      transform: () => {
        throw new Error('<script>1</script>');
      },
    });
    const { status, headers } = await send('/sns/jscode2session', { host: '127.0.0.1' });
    expect([status, headers['content-type'], headers['x-content-type-options']]).toEqual([
      500,
      'text/plain; charset=utf-8',
      'nosniff',
    ]);
  });
});
