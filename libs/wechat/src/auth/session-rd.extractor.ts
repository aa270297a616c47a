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

const BEARER = /^Bearer +(\S+)$/i;
const SUBPROTOCOL = /(?:^|,) *session-rd\.([^\s,]+)/;

/**
 * Returns the `session_rd` of a request, unchecked. It is read from `Authorization: Bearer …` or `X-Session-Rd: …`, and from the
 * subprotocol `session-rd.…` of a WebSocket whose client cannot send headers. It is never read from a URL, a cookie or a body:
 * these end up in logs and caches, or are sent by other sites.
 *
 * A bearer that does not have the format of a token of this library, such as a JWT, may be sent beside `X-Session-Rd`.
 *
 * @throws WechatBadRequestError if the two headers carry two different tokens of this library
 * @example
 * ```ts
 * sessionRdFrom({ headers: { authorization: 'Bearer srd_…' } })      // 'srd_…'
 * ```
 */
export function sessionRdFrom({ headers }: RequestWithHeaders): string | undefined {
  const bearer = BEARER.exec(single(headers['authorization']) ?? '')?.[1];
  const named = single(headers['x-session-rd']);
  if (bearer === undefined || named === undefined || bearer === named)
    return bearer ?? named ?? (headers['upgrade'] ? subprotocol(headers) : undefined);
  if (!hasTokenFormat(bearer)) return named;
  if (!hasTokenFormat(named)) return bearer;
  throw new WechatBadRequestError(
    'Authorization and X-Session-Rd carry different tokens; send one.',
  );
}

function subprotocol(headers: RequestWithHeaders['headers']): string | undefined {
  return SUBPROTOCOL.exec(single(headers['sec-websocket-protocol']) ?? '')?.[1];
}

function single(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header.join(',') : header) || undefined;
}
