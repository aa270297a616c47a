import { parseDuration } from '../duration.js';
import type { Duration } from '../duration.js';
import { MAX_BODY_BYTES } from '../inbox/request-body.js';
import { WechatBadRequestError, WechatConfigError } from '../wechat.errors.js';
import { PushKeys } from './push.keys.js';
import type { PushQuery } from './push.keys.js';
import { readContent, toMessage } from './push.message.js';
import type { WechatMessage } from './push.message.js';

/**
 * What `openPush` takes.
 *
 * @experimental
 * @example
 * ```ts
 * const input: OpenPushInput = { token, aesKeys: [current, previous], appId, query: request.query, body: request.rawBody };
 * ```
 */
export interface OpenPushInput {
  /** Token (令牌) of the console. */
  token: string;
  /** EncodingAESKey (消息加密密钥) of the console, several during a change. With a key, only encrypted pushes are accepted. */
  aesKeys?: readonly string[];
  /** The app inside an encrypted push must be this one. */
  appId: string;
  query: PushQuery;
  /** The exact bytes. */
  body: Buffer;
  /** @default the current time */
  now?: Date;
  /** The maximum age of `timestamp`. `0` accepts any age. @default '1h' */
  maxAge?: Duration;
}

/**
 * Verifies and decrypts a push. It needs no module and runs no handler.
 *
 * @experimental
 * @param push the request, and what the page 消息推送 of the console has
 * @throws WechatCallbackError (403) if it is not WeChat's, is too old or belongs to another app; WechatBadRequestError if it is not a
 *   message; WechatConfigError if it is XML and `@rgrove/parse-xml` is not installed
 * @example
 * ```ts
 * const { type, event, data } = openPush({ token, aesKeys: [aesKey], appId, query: request.query, body: request.rawBody });
 * ```
 */
export function openPush({
  token,
  aesKeys,
  appId,
  query,
  body,
  now = new Date(),
  maxAge = '1h',
}: OpenPushInput): WechatMessage {
  if (body.length > MAX_BODY_BYTES) throw new WechatBadRequestError('the push exceeds 64 KB');
  const maxAgeMs = parseDuration(maxAge);
  if (maxAgeMs === undefined)
    throw new WechatConfigError(["maxAge is not a duration such as '1h'"]);
  const keys = new PushKeys(appId, { token, aesKeys });
  const { bytes, encrypted } = keys.open(query, body, now.getTime(), maxAgeMs);
  return toMessage(appId, encrypted, readContent(bytes.toString()).data);
}
