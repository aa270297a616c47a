import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { RequestWithHeaders } from './session-rd.extractor.js';

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

/** Returns the body of the request, the message, or the arguments of the field. */
export function bodyOf(context: ArgumentsHost): unknown {
  return context.getType() === 'http'
    ? context.switchToHttp().getRequest<{ body?: unknown }>().body
    : context.getArgByIndex<unknown>(1);
}

/**
 * Returns the object that carries the result of a guard. It must not live longer than the guard's decision is valid: it is the
 * request, or the context of one GraphQL operation. A socket lives longer than a session, so each handler of a socket has an
 * object of its own, and each message overwrites the result.
 */
export function carrierOf(context: ExecutionContext): object {
  const type = context.getType<string>();
  if (type === 'graphql') return context.getArgByIndex<object>(2);
  if (type === 'ws')
    return messageStateOf(context.switchToWs().getClient<object>(), context.getHandler());
  return context.getArgByIndex<object>(0);
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

const states = new WeakMap<object, WeakMap<object, object>>();

/** Messages of one socket run in parallel. Two messages to one handler passed the same guards, so they may share the object. */
function messageStateOf(client: object, handler: object): object {
  const byHandler = states.get(client) ?? new WeakMap<object, object>();
  const state = byHandler.get(handler) ?? {};
  states.set(client, byHandler.set(handler, state));
  return state;
}
