import { createParamDecorator } from '@nestjs/common';
import type { ArgumentsHost, ExecutionContext, PipeTransform, Type } from '@nestjs/common';
import { hasTokenFormat } from '../session/session-token.js';
import { WechatBadRequestError } from '../wechat.errors.js';

/**
 * What a request of Express, a request of Fastify and the handshake of a WebSocket have in common.
 *
 * @example
 * ```ts
 * protected override getRequest(context: ExecutionContext): RequestWithHeaders {
 *   return { headers: { 'x-session-rd': context.getArgByIndex(1).token } };
 * }
 * ```
 */
export interface RequestWithHeaders {
  headers: Record<string, string | string[] | undefined>;
}

/**
 * Returns the request that carries the `session_rd`, for each transport. No GraphQL or WebSocket package is imported: Nest
 * passes plain arguments, `[parent, args, context, info]` and `[client, data]`.
 */
export function requestOf(context: ArgumentsHost): RequestWithHeaders {
  const type = context.getType<string>();
  if (type === 'http') return context.switchToHttp().getRequest<RequestWithHeaders>();
  if (type === 'graphql') return requestOfGraphql(context.getArgByIndex<GraphqlContext>(2));
  if (type === 'ws') return handshakeOf(context.switchToWs().getClient<Socket>());
  throw new Error(
    `nestjs-wechat does not know where a request of type '${type}' has its headers. Extend SessionGuard and override getRequest().`,
  );
}

/** The `context` of Apollo and Mercurius. In a subscription Mercurius has `request`, and graphql-ws nests it in `extra`. */
interface GraphqlContext {
  req?: RequestWithHeaders & { extra?: { request?: RequestWithHeaders } };
  request?: RequestWithHeaders;
}

function requestOfGraphql({ req, request }: GraphqlContext): RequestWithHeaders {
  const found = req?.extra?.request ?? req ?? request;
  if (!found?.headers)
    throw new Error(
      "The GraphQL context has no request. Let GraphQLModule's context() return { req: request }.",
    );
  return found;
}

/** A client of socket.io has its handshake. A client of ws keeps only the chosen subprotocol. */
interface Socket {
  handshake?: RequestWithHeaders;
  protocol?: string;
}

const handshakes = new WeakMap<object, RequestWithHeaders>();

/**
 * Keeps the headers of a WebSocket's handshake for `SessionGuard`, to which Nest passes only the client. Call it with
 * `@nestjs/platform-ws` if clients send their `session_rd` in a header. With socket.io it is not needed.
 *
 * @example
 * ```ts
 * handleConnection(client: WebSocket, request: IncomingMessage) {
 *   rememberHandshake(client, request);
 * }
 * ```
 */
export function rememberHandshake(client: object, request: RequestWithHeaders): void {
  handshakes.set(client, request);
}

function handshakeOf(client: Socket): RequestWithHeaders {
  return (
    handshakes.get(client) ??
    client.handshake ?? {
      headers: { upgrade: 'websocket', 'sec-websocket-protocol': client.protocol },
    }
  );
}

const BEARER = /^Bearer +(\S+)$/i;
const SUBPROTOCOL = /(?:^|,) *session-rd\.([^\s,]+)/;

/**
 * Returns the `session_rd` of a request, unchecked. It is read from `Authorization: Bearer …` or `X-Session-Rd: …`, and from the
 * subprotocol `session-rd.…` of a WebSocket whose client cannot send headers. It is never read from a URL, a cookie or a body:
 * these end up in logs and caches, or are sent by other sites.
 *
 * A bearer that does not have the format of a token of this library, such as a JWT, may be sent beside `X-Session-Rd`.
 *
 * @param request of HTTP, or the one that opens a WebSocket
 * @throws WechatBadRequestError if the two headers carry two different tokens of this library
 * @example
 * ```ts
 * sessionRdFrom({ headers: { authorization: 'Bearer srd_…' } })      // 'srd_…'
 * ```
 */
export function sessionRdFrom({ headers }: RequestWithHeaders): string | undefined {
  const bearer = BEARER.exec(String(headers['authorization'] ?? ''))?.[1];
  const named = String(headers['x-session-rd'] ?? '') || undefined;
  if (bearer === undefined || named === undefined || bearer === named)
    return bearer ?? named ?? (headers['upgrade'] ? subprotocol(headers) : undefined);
  if (!hasTokenFormat(bearer)) return named;
  if (!hasTokenFormat(named)) return bearer;
  throw new WechatBadRequestError(
    'Authorization and X-Session-Rd carry different tokens; send one.',
  );
}

function subprotocol(headers: RequestWithHeaders['headers']): string | undefined {
  return SUBPROTOCOL.exec(String(headers['sec-websocket-protocol'] ?? ''))?.[1];
}

/**
 * Injects the `session_rd` that the request carries, unchecked, or `undefined`. Use it for refresh and logout, which must also
 * get a token that SessionGuard would refuse.
 *
 * @example
 * ```ts
 * @Post('refresh')
 * refresh(@SessionRd() sessionRd = '') { return this.sessions.refresh(sessionRd); }
 * ```
 */
export const SessionRd: (...pipes: (PipeTransform | Type<PipeTransform>)[]) => ParameterDecorator =
  createParamDecorator((_: unknown, context: ExecutionContext) =>
    sessionRdFrom(requestOf(context)),
  );
