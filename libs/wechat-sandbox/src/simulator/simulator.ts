import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { exchange } from '../deliveries/exchange.js';
import type { WechatPay } from '../pay/wechat-pay.js';
import { readBody } from '../transport/request.js';
import type { World } from '../world/world.js';
import { forward, refuse } from './app-proxy.js';
import { streamTraffic } from './event-stream.js';
import { sendIndex, sendPageFile, sendVendorFile } from './page-files.js';
import type { QrContents } from './qr-contents.js';
import type { Traffic } from './traffic.js';
import { Website } from './website.js';

/** The parts of the sandbox that the simulator shows. */
export interface SimulatorParts {
  world: World;
  pay: WechatPay;
  traffic: Traffic;
  qrContents: QrContents;
  /** The server under test, if one is connected. */
  app: () => URL | undefined;
  /** Aborted when the sandbox closes. */
  closing: AbortSignal;
}

const NO_APP =
  'No server is connected. Start the sandbox with --app http://127.0.0.1:3000, or call wechat.simulate(url).';
const NOT_THE_PAGE =
  'Only the simulator’s page may use this route. Open /simulator/, or reload it after a restart of the sandbox.';
const LARGEST_IMAGE = 2_000_000;
const MOST_FOLLOWERS = 100;

/** Registers the simulator: its page, the traffic, and the proxy to the server under test. */
export function simulator(server: FastifyInstance, parts: SimulatorParts): void {
  const token = randomBytes(32).toString('base64url');
  parseNoBodies(server);
  servePage(server, token);
  serveTraffic(server, parts);
  server.register(async (ofPage) => {
    requireToken(ofPage, token);
    serveScanner(ofPage, parts);
    serveWebsite(ofPage, parts);
    ofPage.all('/app/*', (request, reply) => toApp(request, reply, parts));
  });
}

/** Only the simulator's own page has the token. A link, a form or an image of any other page cannot send the header. */
function requireToken(server: FastifyInstance, token: string): void {
  const expected = Buffer.from(token);
  server.addHook('onRequest', ({ headers }, reply, done) => {
    const given = Buffer.from(headers['simulator-token']?.toString() ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) done();
    else void reply.code(403).send({ error: NOT_THE_PAGE });
  });
}

/** Each route reads or streams its own body. */
function parseNoBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

function servePage(server: FastifyInstance, token: string): void {
  server.get('/', ({ raw }, reply) =>
    raw.url?.startsWith('/simulator/') ? sendIndex(reply, token) : reply.redirect('/simulator/'),
  );
  server.get<{ Params: { name: string } }>('/page/:name', ({ params }, reply) =>
    sendPageFile(reply, params.name),
  );
  server.get<{ Params: { '*': string } }>('/vendor/*', ({ params }, reply) =>
    sendVendorFile(reply, params['*']),
  );
  server.get('/website/callback', (_request, reply) => sendPageFile(reply, 'callback.html'));
}

function serveTraffic(server: FastifyInstance, parts: SimulatorParts): void {
  const { world, pay, traffic, app } = parts;
  server.get('/world', async () => ({
    now: world.clock.now(),
    apps: world.apps.all.map(({ appId, kind, name, templates }) => ({
      appId,
      kind,
      name,
      templates: templates.map(({ id, title }) => ({ id, title })),
    })),
    app: app()?.href,
    mchId: pay.merchants[0]?.mchId,
    hasShop: await hasShop(parts),
  }));
  server.get('/events', ({ raw }, reply) => {
    if (traffic.followers < MOST_FOLLOWERS) {
      reply.hijack();
      streamTraffic(raw, reply.raw, traffic);
    } else {
      void reply.code(503).send({ error: 'Too many pages follow the traffic. Close some.' });
    }
  });
}

/** Whether the server has the route of the shop. The page shows no shop to a server without one. */
async function hasShop({ app, closing }: SimulatorParts): Promise<boolean> {
  const address = app();
  if (!address) return false;
  const url = `${address.href.replace(/\/$/, '')}/products`;
  return (await exchange('GET', url, {}, closing)).status === 200;
}

function serveScanner(server: FastifyInstance, { qrContents }: SimulatorParts): void {
  server.post('/scan', async ({ raw }, reply) => {
    const image = await readBody(raw, LARGEST_IMAGE).catch(() => undefined);
    const contents = image && qrContents.scan(image);
    return contents || reply.code(404).send({ error: 'This sandbox has not drawn this code.' });
  });
}

function serveWebsite(server: FastifyInstance, { world, traffic, app }: SimulatorParts): void {
  server.post<{ Querystring: { code?: string } }>('/website/login', async ({ query }, reply) => {
    const address = app();
    const mobileApp = world.apps.all.find(({ kind }) => kind === 'mobile');
    if (!address || !mobileApp)
      return reply.code(502).send({ error: address ? 'The sandbox has no website app.' : NO_APP });
    return new Website(address, mobileApp, traffic).login(query.code ?? '');
  });
}

function toApp(
  { raw }: FastifyRequest,
  reply: FastifyReply,
  { traffic, app }: SimulatorParts,
): void {
  reply.hijack();
  const address = app();
  const path = (raw.url ?? '').replace('/simulator/app', '');
  if (address) forward(raw, reply.raw, { app: address, path }, traffic);
  else refuse(reply.raw, NO_APP);
}
