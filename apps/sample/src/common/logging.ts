import type { LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger as NestLogger } from 'nestjs-pino';
import type { PinoLogger } from 'nestjs-pino';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { stdoutLog } from './stdout-log.js';

const SLOW_MS = 1000;
const MAX_MESSAGE_LENGTH = 256;
/** Fields that could hold a secret if they were logged by mistake. They are removed at the top level and one level below. */
const SECRET_FIELDS = [
  'secret',
  'password',
  'session_key',
  'sessionKey',
  'session_rd',
  'token',
  'access_token',
  'authorization',
  'code',
  'phoneNumber',
];
/** Control characters that JSON does not escape. Some log viewers start a new line at them. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/g;

/**
 * Creates the logger of the app.
 * @param destination receives the lines, for tests. @default stdout
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const reportDropped = (lines: number): void =>
    logger.error({ lines }, 'log lines were dropped, because stdout was not read');
  const logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]),
      serializers: { err: describeError },
      hooks: { streamWrite: (line) => line.replace(UNESCAPED, escapeCharacter) },
    },
    destination ?? stdoutLog(reportDropped),
  );
  return logger;
}

/**
 * Lets Nest, and every `new Logger(…)`, write to the app's logger. The module of nestjs-pino is not used: its middleware runs for
 * every request, does not know the route, and keeps one logger for the whole process.
 */
export function nestLogger(logger: Logger): LoggerService {
  return new NestLogger(logger as unknown as PinoLogger, {}); // it calls only the level methods, which both have
}

/** Logs one line for each request: at debug if it succeeded, else at warn or error. The line has the route's pattern, never the URL, a header or a body. */
export function logRequests(app: NestFastifyApplication, logger: Logger): void {
  const requests = logger.child({}, { redact: [] }); // these fields hold no secret, and looking for some costs more than the line
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', (request, reply, done) => {
      const level = levelFor(reply);
      if (requests.isLevelEnabled(level)) requests[level](lineFor(request, reply), 'request');
      done();
    });
}

function levelFor({ statusCode, elapsedTime }: FastifyReply): 'debug' | 'warn' | 'error' {
  if (statusCode >= 500) return 'error';
  return statusCode >= 400 || elapsedTime > SLOW_MS ? 'warn' : 'debug';
}

function lineFor(
  { method, routeOptions }: FastifyRequest,
  { statusCode, elapsedTime }: FastifyReply,
): object {
  return {
    method,
    route: routeOptions.url ?? 'unmatched',
    status: statusCode,
    ms: Math.round(elapsedTime),
  };
}

/** Returns only fields that hold no secret. An error of a database driver has the query with its parameters. */
function describeError(error: Error): object {
  const { name, message, stack } = error;
  const frames = stack
    ?.slice(stack.indexOf('\n    at'))
    .split('\n')
    .slice(1, 8)
    .map((frame) => frame.trim());
  return {
    ...('toJSON' in error && typeof error.toJSON === 'function' && error.toJSON()),
    name,
    message: message.slice(0, MAX_MESSAGE_LENGTH),
    frames,
  };
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
