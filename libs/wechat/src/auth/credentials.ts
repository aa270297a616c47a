import { WechatBadRequestError } from '../wechat.errors.js';

/**
 * What Express, Fastify and a WebSocket handshake have in common.
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
 * The `session_rd` of a request: `Authorization: Bearer …` or `X-Session-Rd: …`; of a WebSocket whose client cannot send
 * headers, the subprotocol `session-rd.…`. Never from a URL, a cookie or a body, which end up in logs, in other sites'
 * requests and in caches.
 * @throws WechatBadRequestError if both headers are there and differ
 *
 * @example
 * ```ts
 * sessionRdFrom({ headers: { authorization: 'Bearer srd_…' } })      // 'srd_…'
 * ```
 */
export function sessionRdFrom({ headers }: RequestWithHeaders): string | undefined {
  const bearer = BEARER.exec(single(headers['authorization']) ?? '')?.[1];
  const named = single(headers['x-session-rd']);
  if (bearer && named && bearer !== named)
    throw new WechatBadRequestError(
      'Authorization and X-Session-Rd carry different tokens; send one.',
    );
  return bearer ?? named ?? (headers['upgrade'] ? subprotocol(headers) : undefined);
}

function subprotocol(headers: RequestWithHeaders['headers']): string | undefined {
  return SUBPROTOCOL.exec(single(headers['sec-websocket-protocol']) ?? '')?.[1];
}

function single(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header.join(',') : header) || undefined;
}
