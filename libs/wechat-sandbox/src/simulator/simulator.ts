import { buffer } from 'node:stream/consumers';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../world/world.js';
import { isLoopback } from './app-address.js';
import { forward, refuse } from './app-proxy.js';
import { streamTraffic } from './event-stream.js';
import { sendPageFile, sendVendorFile } from './page-files.js';
import type { QrContents } from './qr-contents.js';
import type { Traffic } from './traffic.js';
import { Website } from './website.js';

/** The parts of the sandbox that the simulator shows. */
export interface SimulatorParts {
  world: World;
  traffic: Traffic;
  qrContents: QrContents;
  /** The server under test, if one is connected. */
  app: () => URL | undefined;
}

const NO_APP =
  'No server is connected. Start the sandbox with --app http://127.0.0.1:3000, or call wechat.simulate(url).';
const LARGEST_IMAGE = 2_000_000;

/** The simulator's page and what it needs: files, the traffic, a way to the server under test. */
export function simulator(server: FastifyInstance, parts: SimulatorParts): void {
  server.addHook('onRequest', refuseStrangers);
  leaveBodiesAlone(server);
  servePage(server);
  serveWorld(server, parts);
  serveWebsite(server, parts);
  server.all('/app/*', (request, reply) => toApp(request, reply, parts));
}

/** The page is used on the machine it runs on; a foreign page must not reach the server under test through it, not even by a name it made up for 127.0.0.1. */
async function refuseStrangers(
  { headers, host }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | void> {
  const foreign =
    headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
  if (foreign || !isLoopback(host.replace(/:\d+$/, '')))
    return reply.code(403).send({ error: 'The simulator is for this machine only.' });
}

/** Each route reads its own body, or lets it flow through. */
function leaveBodiesAlone(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

function servePage(server: FastifyInstance): void {
  server.get('/', ({ raw }, reply) =>
    raw.url?.startsWith('/simulator/')
      ? sendPageFile(reply, 'index.html')
      : reply.redirect('/simulator/'),
  );
  server.get<{ Params: { name: string } }>('/page/:name', ({ params }, reply) =>
    sendPageFile(reply, params.name),
  );
  server.get<{ Params: { '*': string } }>('/vendor/*', ({ params }, reply) =>
    sendVendorFile(reply, params['*']),
  );
  server.get('/website/callback', (_request, reply) => sendPageFile(reply, 'callback.html'));
}

function serveWorld(
  server: FastifyInstance,
  { world, traffic, qrContents, app }: SimulatorParts,
): void {
  server.get('/world', () => ({
    now: world.clock.now(),
    apps: world.apps.all.map(({ appId, kind, name }) => ({ appId, kind, name })),
    app: app()?.href,
  }));
  server.get('/events', ({ raw }, reply) => {
    reply.hijack();
    streamTraffic(raw, reply.raw, traffic);
  });
  server.post('/scan', async ({ raw }, reply) => {
    const image = Number(raw.headers['content-length']) <= LARGEST_IMAGE && (await buffer(raw));
    const contents = image && qrContents.scan(image);
    return contents || reply.code(404).send({ error: 'This sandbox has drawn no such code.' });
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
