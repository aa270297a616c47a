import Fastify from 'fastify';
import { readConfig } from '../../apps/sample/src/config.js';
import type { ConfigError } from '../../apps/sample/src/config.js';
import { clientOf, sendRaw } from '../support/http.js';
import type { AppResponse } from '../support/http.js';
import { start } from '../support/start.js';
import type { Login, Started } from '../support/start.js';

const FORBIDDEN_TO_CACHES = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

const headersOf = ({ headers }: AppResponse): object => ({
  'cache-control': headers.get('cache-control'),
  'x-content-type-options': headers.get('x-content-type-options'),
});

describe('the headers of a response', () => {
  let s: Started;
  let routes: string[];
  let login: Login;
  beforeAll(async () => {
    s = await start({ env: { LOG_LEVEL: 'warn' } });
    const { body } = await s.call('GET /docs-json');
    routes = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    login = await s.login();
  });
  afterAll(() => s.close());

  it('forbid caching of refused requests on every route', async () => {
    expect(routes.length).toBeGreaterThan(30);
    for (const route of routes) {
      const response = await s.call(route.replaceAll(/\{\w+\}/g, 'unknown'));
      expect([route, headersOf(response)]).toEqual([route, FORBIDDEN_TO_CACHES]);
    }
  });

  it('forbid caching of successful requests', async () => {
    for (const route of ['GET /me', 'GET /auth/session', 'GET /auth/sessions', 'GET /recordings']) {
      const response = await s.call(route, { token: login.session_rd });
      expect([route, response.status, headersOf(response)]).toEqual([
        route,
        200,
        FORBIDDEN_TO_CACHES,
      ]);
    }
  });

  it('are set if no handler runs: an unknown route, a path that cannot be parsed, a body that is not JSON', async () => {
    const unknown = await s.call('GET /unknown');
    const notJson = await s.call('POST /auth/login', {
      body: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect([unknown.status, notJson.status]).toEqual([404, 400]);
    for (const response of [unknown, notJson])
      expect(headersOf(response)).toEqual(FORBIDDEN_TO_CACHES);
    const { status, text } = await sendRaw(s.url, 'GET /%zz HTTP/1.1\r\nHost: app\r\n\r\n');
    expect(status).toBe(404);
    expect(text.toLowerCase()).toContain('cache-control: no-store');
    expect(text.toLowerCase()).toContain('x-content-type-options: nosniff');
  });

  it('are missing from an error if the handler sets them, as a header on each route does', async () => {
    const naive = Fastify();
    naive.get('/me', (request, reply) => {
      if (!request.headers.authorization) return reply.code(401).send({ code: 1000 });
      return reply.header('cache-control', 'no-store').send({ openid: 'o' });
    });
    const call = clientOf(await naive.listen({ host: '127.0.0.1', port: 0 }));
    const refused = await call('GET /me');
    const found = await call('GET /me', { token: 'any' });
    await naive.close();
    expect(found.headers.get('cache-control')).toBe('no-store');
    expect(headersOf(refused)).not.toEqual(FORBIDDEN_TO_CACHES);
  });

  it('restrict the page of the API docs to its own scripts, and no page may frame it', async () => {
    const { headers } = await s.call('GET /docs');
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
  });

  it('of a request that a proxy forwarded lead to one warning, because TRUST_PROXY is not set', async () => {
    s.log.splice(0);
    for (const address of ['1.1.1.1', '2.2.2.2'])
      await s.call('GET /health/live', { headers: { 'x-forwarded-for': address } });
    const warnings = s.log.filter((line) => line.includes('TRUST_PROXY'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).not.toContain('1.1.1.1');
  });
});

describe('behind a known proxy', () => {
  it('X-Forwarded-For leads to no warning', async () => {
    const s = await start({ env: { LOG_LEVEL: 'warn', TRUST_PROXY: '1' } });
    await s.call('GET /health/live', { headers: { 'x-forwarded-for': '1.1.1.1' } });
    expect(s.log.join('')).not.toContain('TRUST_PROXY');
    await s.close();
  });
});

describe('in production', () => {
  const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32) };
  const WECHAT = { WECHAT_MINI_APP_ID: 'wx5a4db0c1e2f37608', WECHAT_MINI_APP_SECRET: 'secret' };

  it('the API docs are not served', async () => {
    const s = await start({ env: PRODUCTION });
    for (const route of ['GET /docs', 'GET /docs-json', 'GET /docs/swagger-ui.css'])
      expect([route, (await s.call(route)).status]).toEqual([route, 404]);
    await s.close();
  });

  it('the API docs are served with API_DOCS=on', async () => {
    const s = await start({ env: { ...PRODUCTION, API_DOCS: 'on' } });
    for (const route of ['GET /docs', 'GET /docs-json'])
      expect([route, (await s.call(route)).status]).toEqual([route, 200]);
    await s.close();
  });

  it.each([31, 1])('a JWT_SECRET of %i bytes stops the start', (bytes) => {
    let problems: string[] = [];
    try {
      readConfig({ ...WECHAT, ...PRODUCTION, JWT_SECRET: 'c'.repeat(bytes) });
    } catch (error) {
      ({ problems } = error as ConfigError);
    }
    expect(problems).toEqual([expect.stringMatching(/^JWT_SECRET is required .* 32 bytes/)]);
  });

  it('a JWT_SECRET of 32 bytes is accepted, counted in bytes and not in characters', () => {
    expect(readConfig({ ...WECHAT, ...PRODUCTION }).apiDocs).toBe(false);
    expect(readConfig({ ...WECHAT, ...PRODUCTION, JWT_SECRET: '密'.repeat(11) }).production).toBe(
      true,
    );
  });
});
