import { Catch } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { WechatError } from '../wechat.errors.js';
import type { WechatErrorCode } from '../wechat.errors.js';

/**
 * How an error is told to a client.
 *
 * @example
 * ```ts
 * override answerTo(error: WechatError): ErrorAnswer {
 *   const answer = super.answerTo(error);
 *   return { ...answer, headers: { ...answer.headers, 'X-Error': error.code } };
 * }
 * ```
 */
export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: { code: number; msg: string; data: null; success: false; error: WechatErrorCode };
}

/** HTTP status, `code` and `msg` of each error. Where a row has no `msg`, the error's own text is made for clients. */
const ANSWERS: Record<WechatErrorCode, { status: number; code?: number; msg?: string }> = {
  ERR_BAD_REQUEST: { status: 400, code: 400 },
  ERR_WECHAT_SESSION: { status: 401, code: 1000, msg: 'unauthorized' },
  ERR_WECHAT_CODE: { status: 401, code: 40029, msg: 'invalid parameter: code' },
  ERR_WECHAT_DECRYPT: { status: 400, code: 1004, msg: 'error: decode failed' },
  ERR_WECHAT_SIGNATURE: { status: 400, code: 1005, msg: 'error: signature mismatch' },
  ERR_WECHAT_APP: { status: 400, code: 40013, msg: 'invalid parameter: appId' },
  ERR_WECHAT_SCENE: {
    status: 400,
    code: 40169,
    msg: 'invalid length for scene, or the data is not json string',
  },
  ERR_WECHAT_PAGE: { status: 400, code: 41030, msg: 'invalid parameter: page' },
  ERR_WECHAT_BLOCKED: { status: 403, code: 40226, msg: 'user blocked' },
  ERR_WECHAT_UNIONID_REQUIRED: { status: 403, code: 403, msg: 'unionid required' },
  ERR_WECHAT_PHONE_REQUIRED: { status: 403, code: 403, msg: 'phone number required' },
  ERR_WECHAT_RATE_LIMIT: { status: 429, msg: 'too many requests' },
  ERR_WECHAT_CONFIG: { status: 500, code: 500, msg: 'internal error' },
  ERR_WECHAT_RESPONSE: { status: 502, code: 502, msg: 'WeChat gave an answer that cannot be used' },
  ERR_WECHAT_UNAVAILABLE: {
    status: 503,
    code: 503,
    msg: 'WeChat cannot answer; try again shortly',
  },
  ERR_STORE_UNAVAILABLE: {
    status: 503,
    code: 503,
    msg: 'the session store cannot answer; try again shortly',
  },
};

/**
 * Answers the errors of this library as `{ code, msg, data, success, error }`, on Express and on Fastify. The module
 * registers it; a filter of your own that catches everything can delegate to it.
 *
 * In GraphQL it becomes an error with `extensions: { code, status, retryAfter? }`. To a WebSocket it goes as the event
 * `exception`; Nest takes no global filter to gateways, so name it there.
 *
 * @example
 * ```ts
 * @WebSocketGateway() @UseGuards(SessionGuard) @UseFilters(WechatExceptionFilter)
 * ```
 */
@Catch(WechatError)
export class WechatExceptionFilter implements ExceptionFilter<WechatError> {
  catch(error: WechatError, host: ArgumentsHost): void {
    const type = host.getType<string>();
    if (type === 'http')
      answer(host.switchToHttp().getResponse<AnyResponse>(), this.answerTo(error));
    else if (type === 'ws') tell(host.switchToWs(), this.answerTo(error));
    else if (type === 'graphql') throw graphqlError(this.answerTo(error));
    else throw error;
  }

  /** What the client is told. Override it for another envelope. */
  answerTo(error: WechatError): ErrorAnswer {
    const { status, code, msg } = ANSWERS[error.code];
    return {
      status,
      headers: headersOf(status, error),
      body: {
        code: codeOf(error, code ?? status),
        msg: msgOf(error, msg),
        data: null,
        success: false,
        error: error.code,
      },
    };
  }
}

/** What Express's response and Fastify's reply have in common. */
interface AnyResponse {
  header(name: string, value: string): unknown;
  status(status: number): { send(body: object): unknown };
}

function answer(response: AnyResponse, { status, headers, body }: ErrorAnswer): void {
  for (const [name, value] of Object.entries(headers)) response.header(name, value);
  response.status(status).send(body);
}

/** What Nest's own filter does for a WsException: a client of ws has `send`, one of socket.io `emit`. */
function tell(ws: ReturnType<ArgumentsHost['switchToWs']>, { body }: ErrorAnswer): void {
  const client = ws.getClient<{
    readyState?: number;
    send(text: string): void;
    emit(event: string, data: object): void;
  }>();
  const data = { ...body, cause: { pattern: ws.getPattern() } };
  if (typeof client.readyState === 'number')
    client.send(JSON.stringify({ event: 'exception', data }));
  else client.emit('exception', data);
}

/** GraphQL servers show the `extensions` of any error; we need no class of theirs. */
function graphqlError({ status, headers, body }: ErrorAnswer): Error {
  const retryAfter = headers['Retry-After'] && { retryAfter: Number(headers['Retry-After']) };
  return Object.assign(new Error(body.msg), {
    extensions: { code: body.error, status, ...retryAfter },
  });
}

function codeOf(error: WechatError, code: number): number {
  if (error.code === 'ERR_WECHAT_APP')
    return 'parameter' in error && error.parameter === 'secret' ? 40125 : 40013;
  if (error.code === 'ERR_WECHAT_PAGE' || error.code === 'ERR_WECHAT_RATE_LIMIT')
    return error.errcode ?? code;
  return code;
}

function msgOf(error: WechatError, msg: string | undefined): string {
  return error.code === 'ERR_WECHAT_APP' && 'parameter' in error
    ? `invalid parameter: ${String(error.parameter)}`
    : (msg ?? error.message);
}

function headersOf(status: number, error: WechatError): Record<string, string> {
  if (status === 401) return { 'WWW-Authenticate': 'Bearer' };
  return 'retryAfter' in error ? { 'Retry-After': String(error.retryAfter) } : {};
}
