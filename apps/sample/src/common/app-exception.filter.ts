import { Catch, HttpException, Logger } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { WechatError, WechatExceptionFilter } from 'nestjs-wechat';
import { isDatabaseUnavailable } from '../database/database-errors.js';
import { AppError, NotFoundError, UnavailableError } from './app-error.js';

/**
 * Sends every error in the envelope, with texts of the app or the library. The texts of Nest, Fastify and parsers are not used,
 * because they repeat data of the client.
 */
@Catch()
export class AppExceptionFilter implements ExceptionFilter {
  private readonly wechat = new WechatExceptionFilter();
  private readonly logger = new Logger(AppExceptionFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    this.respond(error, host);
  }

  protected respond(error: unknown, host: ArgumentsHost): void {
    const { status, headers, body } =
      error instanceof WechatError ? this.wechat.toResponse(error) : this.appErrorFor(error);
    if (status >= 500) this.logger.error(error);
    void host.switchToHttp().getResponse<FastifyReply>().status(status).headers(headers).send(body);
  }

  private appErrorFor(error: unknown): AppError {
    if (error instanceof AppError) return error;
    if (error instanceof HttpException) return httpError(error.getStatus());
    if (isDatabaseUnavailable(error))
      return new UnavailableError('the database is unavailable; try again shortly');
    return new AppError(500, 'ERR_INTERNAL', 'internal error');
  }
}

/** For the errors that Nest and Fastify throw before a handler runs. */
function httpError(status: number): AppError {
  if (status === 404 || status === 414) return new NotFoundError(); // 414: no path of this API is that long
  if (status === 405) return new AppError(405, 'ERR_NOT_FOUND', 'method not allowed');
  if (status === 413) return new AppError(413, 'ERR_BAD_REQUEST', 'the request body is too large');
  if (status === 415)
    return new AppError(415, 'ERR_BAD_REQUEST', 'unsupported media type; send application/json');
  if (status === 503)
    return new UnavailableError('the service is shutting down; try again shortly');
  if (status < 500) return new AppError(status, 'ERR_BAD_REQUEST', 'malformed request');
  return new AppError(500, 'ERR_INTERNAL', 'internal error');
}
