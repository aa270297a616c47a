import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { SandboxError } from '../world/sandbox-error.js';
import { INERT } from './security-headers.js';

// A page of any website can send requests to 127.0.0.1. These rules prevent it from using a developer's sandbox.

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const WILDCARDS = new Set(['0.0.0.0', '::']);

/** Returns whether a host name is this machine and no other. */
export const isLoopback = (hostname: string): boolean => LOOPBACK.has(hostname);

/**
 * Refuses every request whose Host is neither a loopback name nor `host`, and makes every response inert.
 * Without the check a website can point its own name at 127.0.0.1 and read the sandbox as its own origin (DNS rebinding).
 *
 * @param host the address that the sandbox listens on; for `0.0.0.0` and `::`, the address of the connection is accepted instead
 */
export function requireKnownHost(server: FastifyInstance, host: string): void {
  server.addHook('onRequest', ({ raw }, reply, done) => {
    reply.headers(INERT);
    const name = (raw.headers.host ?? '').toLowerCase().replace(/:\d*$/, '');
    const known = WILDCARDS.has(host) ? localAddress(raw) : inUrl(host);
    if (isLoopback(name) || name === known) done();
    else
      refuse(
        reply,
        'The sandbox responds to 127.0.0.1, localhost and [::1] only. If clients use another name, start it with --host and that name.',
      );
  });
}

/** Writes an address as the host of a URL. */
const inUrl = (address: string): string =>
  address.includes(':') ? `[${address}]` : address.toLowerCase();

const localAddress = ({ socket }: IncomingMessage): string =>
  inUrl((socket.localAddress ?? '').replace(/^::ffff:/, ''));

/**
 * Refuses requests of pages that are not the sandbox's own, for the control plane and the simulator. A request without an Origin is
 * accepted unless the browser says that another site caused it. A link from another site may open a page.
 *
 * @param allowedOrigins pages of these origins are allowed too, with the CORS headers that they need
 */
export function requireOwnOrigin(
  server: FastifyInstance,
  allowedOrigins: readonly string[] = [],
): void {
  if (allowedOrigins.length > 0) server.options('/*', (_request, reply) => reply.code(204).send());
  server.addHook('onRequest', ({ raw }, reply, done) => {
    const { origin } = raw.headers;
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-allow-headers': 'content-type',
        'access-control-allow-methods': 'GET, POST',
        'cross-origin-resource-policy': 'cross-origin',
        vary: 'Origin',
      });
      done();
    } else if (hasForeignOrigin(raw) || (isCausedByOtherSite(raw) && !isLink(raw)))
      refuse(
        reply,
        'Pages of other origins may not use the sandbox. Allow one with startWechatSandbox({ allowedOrigins }) or --allow-origin.',
      );
    else done();
  });
}

/**
 * Refuses browsers on WeChat's paths, except for the consent pages: servers call the APIs, and a user opens a consent page by a link or
 * sends its form.
 */
export function refuseBrowsers(server: FastifyInstance): void {
  server.addHook('onRequest', ({ raw }, reply, done) => {
    const opened =
      raw.headers['sec-fetch-site'] === undefined || raw.headers['sec-fetch-mode'] === 'navigate';
    const allowedLink = raw.url?.startsWith('/connect/') && raw.method === 'GET';
    if (hasForeignOrigin(raw) || !opened || (isCausedByOtherSite(raw) && !allowedLink))
      refuse(reply, 'Pages may not call this path. WeChat’s APIs are for servers.');
    else done();
  });
}

/** Checks the `allowedOrigins` option. */
export function assertOrigins(origins: readonly string[]): void {
  const wrong = origins.find(
    (origin) => !URL.canParse(origin) || new URL(origin).origin !== origin,
  );
  if (wrong !== undefined)
    throw new SandboxError(
      `${JSON.stringify(wrong)} is not a valid origin. Write scheme, host and port, for example http://localhost:5173.`,
    );
}

/** The Host header is checked before, so it names the sandbox itself. `null`, the origin of sandboxed frames, is foreign. */
const hasForeignOrigin = ({ headers: { origin, host } }: IncomingMessage): boolean =>
  origin !== undefined && origin !== `http://${host}`;

const isCausedByOtherSite = ({ headers }: IncomingMessage): boolean =>
  ['cross-site', 'same-site'].includes(headers['sec-fetch-site']?.toString() ?? '');

/** A GET changes nothing, and the page that opened a tab cannot read the page in it. */
const isLink = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' &&
  headers['sec-fetch-mode'] === 'navigate' &&
  headers['sec-fetch-dest'] === 'document';

function refuse(reply: FastifyReply, error: string): void {
  void reply.code(403).send({ error });
}
