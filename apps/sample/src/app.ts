import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WechatConfigError } from 'nestjs-wechat';
import { inspect } from 'node:util';
import type { DestinationStream } from 'pino';
import { AppModule } from './app.module.js';
import { AppExceptionFilter } from './common/app-exception.filter.js';
import { EnvelopeAdapter } from './common/envelope.adapter.js';
import { acceptJsonBodies } from './common/json-body.js';
import { createLogger, logRequests, nestLogger } from './common/logging.js';
import { sendNotFound } from './common/not-found.js';
import { setResponseHeaders, warnAboutUnknownProxy } from './common/response-headers.js';
import { refuseDuringShutdown, Shutdown } from './common/shutdown.js';
import { validation } from './common/validation.js';
import { ConfigError } from './config.js';
import type { AppConfig } from './config.js';
import { FolderInUseError } from './database/folder-lock.js';
import { serveDocs } from './docs/docs.js';
import { CopyError } from './files/copy.js';
import { acceptUploads } from './files/multipart.js';
import { StorageUnavailableError } from './files/storage-errors.js';
import type { Telemetry } from './telemetry.js';

/** Times are in milliseconds, sizes in bytes. An upload over a slow network may take two minutes. Node limits headers to 16 KB. */
const LIMITS = {
  bodyLimit: 100_000,
  requestTimeout: 120_000,
  connectionTimeout: 30_000,
  keepAliveTimeout: 65_000, // longer than the 60 s of nginx and most load balancers, so that they close first
  http: { headersTimeout: 15_000 },
};

/** How long requests under way may take after the app has stopped serving. */
export const SHUTDOWN_TIMEOUT_MS = 9000;

/** Replaced by tests. */
export interface AppOverrides {
  /** The destination of log lines. @default stdout */
  logTo?: DestinationStream;
}

/** Builds the app. It does not listen yet. */
export async function createApp(
  config: AppConfig,
  { logTo }: AppOverrides = {},
): Promise<NestFastifyApplication> {
  const telemetry = config.telemetry ? await startTelemetry() : undefined;
  const logger = createLogger(config.logLevel, logTo);
  const adapter = new EnvelopeAdapter({
    ...LIMITS,
    trustProxy: config.trustProxy,
    return503OnClosing: false, // refuseDuringShutdown does it
    forceCloseConnections: 'idle', // idle keep-alive connections must not delay the shutdown
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendNotFound(request, reply),
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), adapter, {
    logger: nestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  app.useGlobalPipes(validation);
  app.useGlobalFilters(new AppExceptionFilter());
  setResponseHeaders(app);
  if (!config.trustProxy) warnAboutUnknownProxy(app);
  acceptJsonBodies(app);
  acceptUploads(app);
  logRequests(app, logger);
  if (config.apiDocs) serveDocs(app);
  refuseDuringShutdown(app);
  telemetry?.observe(app);
  return app;
}

/**
 * Listens until SIGINT or SIGTERM. After SIGTERM, which a platform sends, the app serves for the time of SHUTDOWN_DRAIN; SIGINT is Ctrl-C.
 * Then it finishes the requests under way, for at most nine seconds, and exits with 0.
 */
export async function listen(
  app: NestFastifyApplication,
  { port, shutdownDrainMs }: Pick<AppConfig, 'port' | 'shutdownDrainMs'>,
  host: string,
): Promise<string> {
  stopOnSignals(app, { SIGINT: 0, SIGTERM: shutdownDrainMs });
  await app.listen(port, host);
  const url = await app.getUrl();
  new Logger('App').log(`Listening on ${url}`);
  return url;
}

/** A signal can come twice: npm sends Ctrl-C to a process that has received it from the terminal. The first one counts. */
function stopOnSignals(app: NestFastifyApplication, drainMs: Record<string, number>): void {
  let stopping: Promise<void> | undefined;
  for (const [signal, ms] of Object.entries(drainMs))
    process.on(signal, () => void (stopping ??= stop(app, ms)));
}

async function stop(app: NestFastifyApplication, drainMs: number): Promise<void> {
  await app.get(Shutdown, { strict: false }).drain(drainMs);
  setTimeout(() => process.exit(0), SHUTDOWN_TIMEOUT_MS).unref();
  await app.close();
  process.exit(0);
}

/** Runs the start of a command. If it fails, prints one sentence for an error that the operator can fix, else the stack, and exits with 1. */
export async function runCommand(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    // After the log, which is flushed at the exit, so that the sentence is the last line.
    process.once('exit', () => process.stderr.write(`${textOf(error)}\n`));
    process.exit(1);
  }
}

/** Starts before Nest, because the library creates its instruments with its module. Imported here, so that other starts do not load it. */
async function startTelemetry(): Promise<Telemetry> {
  const { Telemetry } = await import('./telemetry.js');
  return Telemetry.start();
}

function textOf(error: unknown): string {
  if (
    error instanceof ConfigError ||
    error instanceof CopyError ||
    error instanceof FolderInUseError ||
    error instanceof WechatConfigError
  )
    return error.message;
  if (error instanceof StorageUnavailableError && error.reason !== undefined) return error.reason;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    return `PORT is in use (${error.message}). Choose another, for example PORT=3100.`;
  return inspect(error);
}
