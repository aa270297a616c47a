import type { ArgumentsHost, ExecutionContext } from '@nestjs/common';
import type { RequestWithHeaders } from './credentials.js';

/**
 * Where each transport keeps the request that carries the `session_rd`. We import neither GraphQL nor WebSocket packages:
 * Nest hands both over as plain arguments, `[parent, args, context, info]` and `[client, data]`.
 */
export function requestOf(context: ArgumentsHost): RequestWithHeaders {
  const type = context.getType<string>();
  if (type === 'http') return context.switchToHttp().getRequest<RequestWithHeaders>();
  if (type === 'graphql') return requestOfGraphql(context.getArgByIndex<GraphqlContext>(2));
  if (type === 'ws') return handshakeOf(context.switchToWs().getClient<Socket>());
  throw new Error(
    `nestjs-wechat does not know where a request of type '${type}' lies. Extend SessionGuard and override getRequest().`,
  );
}

/** What the client sent besides its credentials: the body, the message, or the arguments of the field. */
export function bodyOf(context: ArgumentsHost): unknown {
  return context.getType() === 'http'
    ? context.switchToHttp().getRequest<{ body?: unknown }>().body
    : context.getArgByIndex<unknown>(1);
}

/**
 * The object on which a guard leaves what it found. It must not outlive the decision: a request, the context of one GraphQL
 * operation; and of a socket, which stays while sessions end, a place that each message to the same handler writes anew.
 */
export function carrierOf(context: ExecutionContext): object {
  const type = context.getType<string>();
  if (type === 'graphql') return context.getArgByIndex<object>(2);
  if (type === 'ws') return placeOn(context.switchToWs().getClient<object>(), context.getHandler());
  return context.getArgByIndex<object>(0);
}

/** `context` of Apollo and Mercurius; in a subscription Mercurius has `request`, and graphql-ws keeps it one level deeper. */
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

/** A client of socket.io, which knows its handshake, or of ws, which keeps of it only the chosen subprotocol. */
interface Socket {
  handshake?: RequestWithHeaders;
  protocol?: string;
}

const handshakes = new WeakMap<object, RequestWithHeaders>();

/**
 * Keeps the headers of a WebSocket's handshake for `SessionGuard`, which Nest shows only the client. Needed with
 * `@nestjs/platform-ws` where the client sends its `session_rd` in a header; socket.io keeps its handshake itself.
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

const places = new WeakMap<object, WeakMap<object, object>>();

/** Messages of one socket run side by side; two to one handler were let in by the same guards, so they may share a place. */
function placeOn(client: object, handler: object): object {
  const ofClient = places.get(client) ?? new WeakMap<object, object>();
  const place = ofClient.get(handler) ?? {};
  places.set(client, ofClient.set(handler, place));
  return place;
}
