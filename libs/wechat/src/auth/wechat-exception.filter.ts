import { Catch } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import { WechatError } from '../wechat.errors.js';
import type { WechatErrorBody } from '../wechat.errors.js';

/**
 * The HTTP response that a client gets for an error.
 *
 * @example
 * ```ts
 * override toResponse(error: WechatError): WechatErrorResponse {
 *   const response = super.toResponse(error);
 *   return { ...response, headers: { ...response.headers, 'X-Error': error.code } };
 * }
 * ```
 */
export interface WechatErrorResponse<Body extends object = WechatErrorBody> {
  status: number;
  headers: Record<string, string>;
  body: Body;
}

/**
 * Sends the errors of this library as `{ code, msg, data, success, error }` with their status, `WWW-Authenticate` and
 * `Retry-After`, on Express and on Fastify. The module registers it unless `errorFilter` is `false`. A filter of your own that
 * catches every exception can delegate to it. For another body, extend it with the body's type and override `toResponse()`.
 *
 * In GraphQL it throws an error with `extensions: { code, status, retryAfter? }`. To a WebSocket it sends the event
 * `exception`. Nest applies no global filter to gateways, so name the filter on the gateway.
 *
 * @example
 * ```ts
 * @WebSocketGateway() @UseGuards(SessionGuard) @UseFilters(WechatExceptionFilter)
 * ```
 */
@Catch(WechatError)
export class WechatExceptionFilter<
  Body extends object = WechatErrorBody,
> implements ExceptionFilter<WechatError> {
  /** Sends the error to the client. For transports other than HTTP, GraphQL and WebSockets it throws the error again. */
  catch(error: WechatError, host: ArgumentsHost): void {
    const type = host.getType<string>();
    if (type === 'http')
      sendHttp(host.switchToHttp().getResponse<HttpResponse>(), this.toResponse(error));
    else if (type === 'ws') sendWs(host.switchToWs(), this.toResponse(error));
    else if (type === 'graphql') throw graphqlError(error);
    else throw error;
  }

  /** Returns what the client gets. Override it for another body, status or header. */
  toResponse(error: WechatError): WechatErrorResponse<Body> {
    return {
      status: error.getStatus(),
      headers: error.getHeaders(),
      body: error.getResponse() as object as Body,
    };
  }
}

/** What Express's response and Fastify's reply have in common. */
interface HttpResponse {
  header(name: string, value: string): unknown;
  status(status: number): { send(body: object): unknown };
}

function sendHttp(
  response: HttpResponse,
  { status, headers, body }: WechatErrorResponse<object>,
): void {
  for (const [name, value] of Object.entries(headers)) response.header(name, value);
  response.status(status).send(body);
}

/** Does what Nest's own filter does for a WsException: a client of ws has `send`, a client of socket.io has `emit`. */
function sendWs(
  ws: ReturnType<ArgumentsHost['switchToWs']>,
  { body }: WechatErrorResponse<object>,
): void {
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

/** GraphQL servers send the `extensions` of any error, so no class of a GraphQL package is needed. */
function graphqlError(error: WechatError): Error {
  const { code, retryAfter } = error;
  return Object.assign(new Error(error.getResponse().msg), {
    extensions: {
      code,
      status: error.getStatus(),
      ...(retryAfter !== undefined && { retryAfter }),
    },
  });
}
