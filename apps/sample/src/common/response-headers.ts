import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/**
 * The headers of every response. Almost every route takes or returns a token or personal data, so a cache must
 * not keep any of them. A handler whose response may be cached, such as that of a public image, sets its own Cache-Control.
 */
export const RESPONSE_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** Swagger UI loads its own scripts and styles, and its page has inline styles. */
const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Sets the headers before a guard, a handler or an error filter runs, so errors and unknown routes have them too. */
export function setResponseHeaders(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, reply, done) => {
      void reply.headers(RESPONSE_HEADERS);
      if (request.url.startsWith('/docs'))
        void reply.header('Content-Security-Policy', DOCS_POLICY);
      done();
    });
}

/**
 * Warns once if a proxy forwards requests and `TRUST_PROXY` is not set. All clients then have the address of the proxy, and
 * they share one login limit.
 */
export function warnAboutUnknownProxy(app: NestFastifyApplication): void {
  const logger = new Logger('App');
  let warned = false;
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, _reply, done) => {
      if (!warned && request.headers['x-forwarded-for'] !== undefined) {
        warned = true;
        logger.warn(
          'A request has X-Forwarded-For, but TRUST_PROXY is not set: the header is ignored, and all clients behind the proxy share one login limit. Set TRUST_PROXY to the number or the addresses of your proxies.',
        );
      }
      done();
    });
}
