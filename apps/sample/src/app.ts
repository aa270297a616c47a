import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DestinationStream } from 'pino';
import { AppModule } from './app.module.js';
import { NotFoundError } from './common/app-error.js';
import { AppExceptionFilter } from './common/app-exception.filter.js';
import { EnvelopeAdapter } from './common/envelope.adapter.js';
import { acceptJsonBodies } from './common/json-body.js';
import { createLogger, logRequests, nestLogger } from './common/logging.js';
import {
  RESPONSE_HEADERS,
  setResponseHeaders,
  warnOfUnknownProxy,
} from './common/response-headers.js';
import { validation } from './common/validation.js';
import type { AppConfig } from './config.js';
import { serveDocs } from './docs/docs.js';
import { acceptUploads } from './files/multipart.js';
import type { Telemetry } from './telemetry.js';

/** Of the whole request, then of a silent connection. Uploads over a slow network take their time; Node itself cuts headers off at 16 KB. */
const LIMITS = {
  bodyLimit: 100_000,
  requestTimeout: 120_000,
  connectionTimeout: 30_000,
  keepAliveTimeout: 65_000, // longer than the 60 s of nginx and most load balancers, so that they close first
  http: { headersTimeout: 15_000 },
};

/** For a path that cannot be parsed (bad %-encoding, an endless id). Fastify's own response would repeat it. */
const answerUnreadablePath = (
  _error: Error,
  _request: FastifyRequest,
  reply: FastifyReply,
): void => {
  const { status, body } = new NotFoundError();
  void reply.headers(RESPONSE_HEADERS).status(status).send(body);
};

/** Closes idle keep-alive connections during shutdown, which would otherwise wait for them for a minute. */
function dropConnectionsWhenClosing(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('preClose', async () => {
    const dropping = setInterval(() => fastify.server.closeIdleConnections(), 50);
    fastify.server.once('close', () => clearInterval(dropping));
  });
}

/** Replaced by tests. */
export interface AppOverrides {
  /** Where log lines go. @default stdout */
  logTo?: DestinationStream;
}

/** The whole app, not listening yet. */
export async function createApp(
  config: AppConfig,
  { logTo }: AppOverrides = {},
): Promise<NestFastifyApplication> {
  const telemetry = config.telemetry ? await startTelemetry() : undefined;
  const logger = createLogger(config.logLevel, logTo);
  const adapter = new EnvelopeAdapter({
    ...LIMITS,
    trustProxy: config.trustProxy,
    forceCloseConnections: 'idle', // kept-alive connections must not hold up the end
    frameworkErrors: answerUnreadablePath,
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), adapter, {
    logger: nestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  app.useGlobalPipes(validation);
  app.useGlobalFilters(new AppExceptionFilter());
  setResponseHeaders(app);
  if (!config.trustProxy) warnOfUnknownProxy(app);
  acceptJsonBodies(app);
  acceptUploads(app);
  logRequests(app, logger);
  if (config.apiDocs) serveDocs(app);
  dropConnectionsWhenClosing(app);
  telemetry?.observe(app);
  return app;
}

/** Before Nest: the library makes its instruments when the module is made. Loaded only here, so that nobody else waits for it. */
async function startTelemetry(): Promise<Telemetry> {
  const { Telemetry } = await import('./telemetry.js');
  return Telemetry.start();
}
