import { createHash } from 'node:crypto';
import { parseExactJson } from '../exact-json.js';
import { isObject } from '../is-object.js';
import { WechatBadRequestError } from '../wechat.errors.js';
import { MAX_DEPTH, readXml } from './push.xml.js';

/**
 * A message or an event that WeChat pushed, verified and decrypted.
 *
 * @experimental
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html
 * @example
 * ```ts
 * @OnWechatMessage('text')
 * text({ from, data }: WechatMessage<{ Content: string }>) { … }
 * ```
 */
export interface WechatMessage<Data = Record<string, unknown>> {
  /** The app that it was pushed to. */
  appId: string;
  /** `MsgType`: `text`, `image`, `miniprogrampage`, `event`. */
  type: string;
  /** `Event`, of an event: `wxa_media_check`. */
  event?: string;
  /** `FromUserName`: the openid of the user, or an id of WeChat. */
  from: string;
  /** `ToUserName`: the 原始ID of the mini program, `gh_…`. */
  to: string;
  /** `CreateTime`. */
  createdAt: Date;
  /** `MsgId`, which messages have and events do not. It is not unique by itself. */
  id?: string;
  /** Whether it was encrypted. In plain mode WeChat does not sign the content. */
  encrypted: boolean;
  /**
   * All fields by WeChat's names. Integers of more than 15 digits, `MsgId`, `MsgID`, `msgid` and `trace_id` are texts. `List` is an array.
   * Every value of an XML push is a text.
   */
  data: Data;
}

/** The format of a push. Its reply has the same. */
export type PushFormat = 'json' | 'xml';

/** The content of a push. */
export interface PushContent {
  format: PushFormat;
  data: Record<string, unknown>;
}

/** Ids that are always strings, because JavaScript rounds large integers. */
const ID_FIELDS = new Set(['MsgId', 'MsgID', 'msgid', 'trace_id']);
/** Around the list of a subscribe event in XML. */
const LIST_WRAPPER = /^SubscribeMsg\w+Event$/;

/** @throws WechatBadRequestError if it is neither a JSON object nor XML, has more than 16 levels or a field `__proto__` */
export function readContent(text: string): PushContent {
  const format = text.trimStart().startsWith('<') ? 'xml' : 'json';
  const data = format === 'xml' ? readXml(text) : readJson(text);
  return { format, data: withList(data) };
}

/** @throws WechatBadRequestError if it has no MsgType */
export function toMessage(
  appId: string,
  encrypted: boolean,
  data: Record<string, unknown>,
): WechatMessage {
  const type = textOf(data['MsgType']);
  if (!type)
    throw new WechatBadRequestError(
      'Encrypt' in data
        ? 'the push is encrypted, and the app has no aesKeys (WECHAT_PUSH_AES_KEY)'
        : 'the push has no MsgType',
    );
  const event = textOf(data['Event']);
  const id = textOf(data['MsgId'] ?? data['MsgID'] ?? data['msgid']);
  const seconds = Number(data['CreateTime']);
  return {
    appId,
    type,
    ...(event && { event }),
    from: textOf(data['FromUserName']),
    to: textOf(data['ToUserName']),
    createdAt: new Date(Number.isSafeInteger(seconds) && seconds < 1e11 ? seconds * 1000 : 0),
    ...(id && { id }),
    encrypted,
    data,
  };
}

/**
 * What makes two deliveries the same push. MsgId alone is not unique, and events have none. A hash, so that no key of the store
 * has an openid.
 *
 * @param bytes the push as it was decrypted
 */
export function identityOf(
  { appId, from, createdAt, id, event }: WechatMessage,
  bytes: Buffer,
): string {
  const parts = [appId, from, createdAt.getTime(), id ?? [event, sha256(bytes)]];
  return sha256(JSON.stringify(parts));
}

const sha256 = (data: string | Buffer): string =>
  createHash('sha256').update(data).digest('base64url');

function readJson(text: string): Record<string, unknown> {
  const json = parseJson(text);
  if (!isObject(json)) throw new WechatBadRequestError('the push is neither a JSON object nor XML');
  checkFields(json, 1);
  return json;
}

function parseJson(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    throw new WechatBadRequestError('the push is neither JSON nor XML');
  }
}

/** Makes ids texts, and refuses what could harm code that copies the fields. */
function checkFields(value: object, depth: number): void {
  if (depth > MAX_DEPTH) throw new WechatBadRequestError('the push has more than 16 levels');
  const fields = value as Record<string, unknown>;
  for (const name of Object.keys(fields)) {
    const field = fields[name];
    if (name === '__proto__') throw new WechatBadRequestError('the push has a field __proto__');
    if (typeof field === 'object' && field !== null) checkFields(field, depth + 1);
    else if (typeof field === 'number' && ID_FIELDS.has(name)) fields[name] = String(field);
  }
}

/** Makes `List` an array at the top, whether it was one object or several, at the top or inside the element of the event. */
function withList(data: Record<string, unknown>): Record<string, unknown> {
  const wrapper = Object.keys(data).find((name) => LIST_WRAPPER.test(name));
  const wrapped = wrapper !== undefined && data[wrapper];
  if (wrapper !== undefined && isObject(wrapped) && 'List' in wrapped) {
    const { [wrapper]: _wrapper, ...rest } = data;
    return withList({ ...rest, List: wrapped['List'] });
  }
  return 'List' in data ? { ...data, List: [data['List']].flat().filter(isObject) } : data;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}
