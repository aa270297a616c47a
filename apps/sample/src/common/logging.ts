import type { LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger as NestLogger } from 'nestjs-pino';
import type { PinoLogger } from 'nestjs-pino';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';

const SLOW = 1000;
const LONGEST_TEXT = 256;
/** Names under which a secret could be logged by mistake, at the top and one level below. */
const SECRETS = [
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
/** JSON escapes most control characters by itself; these pass it, and some viewers break lines at them. */
const UNESCAPED = /[\u007f-\u009f\u2028\u2029]/g;

/** @param destination where lines go, for tests. @default stdout */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: SECRETS.flatMap((name) => [name, `*.${name}`]),
      serializers: { err: describeError },
      hooks: { streamWrite: (line) => line.replace(UNESCAPED, escapeCharacter) },
    },
    destination ?? pino.destination({ sync: true }),
  );
}

/**
 * For Nest's own lines and those of `new Logger(…)`. nestjs-pino's module is left out: its middleware costs every request and
 * does not know the route, and it keeps one logger for the whole process.
 */
export function nestLogger(logger: Logger): LoggerService {
  return new NestLogger(logger as unknown as PinoLogger, {}); // the one has the level methods of the other
}

/** Logs one line for each request: at debug if it succeeded, else at warn or error. It has the route's pattern, never the URL, a header or a body. */
export function logRequests(app: NestFastifyApplication, logger: Logger): void {
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', (request, reply, done) => {
      const level = levelFor(reply);
      if (logger.isLevelEnabled(level)) logger[level](lineFor(request, reply), 'request');
      done();
    });
}

function levelFor({ statusCode, elapsedTime }: FastifyReply): 'debug' | 'warn' | 'error' {
  if (statusCode >= 500) return 'error';
  return statusCode >= 400 || elapsedTime > SLOW ? 'warn' : 'debug';
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

/** Only fields that hold no secret. An error of a database driver holds the query with its parameters. */
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
    message: message.slice(0, LONGEST_TEXT),
    frames,
  };
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
