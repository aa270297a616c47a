import { isObject } from '../is-object.js';
import { WechatTemplateError } from '../wechat.errors.js';

/**
 * The values of a subscribe message by the keys of its template.
 *
 * @example
 * ```ts
 * const data: TemplateData = { thing1: 'Latte', amount2: '22.00' };
 * ```
 * @experimental
 */
export type TemplateData = Record<string, string>;

/** The keys of a template are a kind and a number: `thing1`, `character_string4`. */
const KEY = /^([a-z_]{1,32})\d{1,3}$/;
/** Control characters, line separators, and halves of a surrogate pair, which are not valid Unicode. */
const UNREADABLE = /\r\n|[\p{Cc}\p{Cs}\u2028\u2029]/gu;
const ELLIPSIS = '…';

interface Kind {
  /** How many characters (code points) a value may have. */
  maxLength: (value: string) => number;
  /** How `fitTemplateData` shortens a longer value. Without it a longer value is never cut, because a part would be wrong. */
  cut?: 'with-ellipsis' | 'plain';
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/mp-message-management/subscribe-message/sendMessage.html */
const KINDS = new Map<string, Kind>([
  ['thing', { maxLength: () => 20, cut: 'with-ellipsis' }],
  ['name', { maxLength: nameLength, cut: 'with-ellipsis' }],
  ['symbol', { maxLength: () => 5, cut: 'with-ellipsis' }],
  ['character_string', { maxLength: () => 32, cut: 'with-ellipsis' }],
  ['letter', { maxLength: () => 32, cut: 'plain' }],
  ['phrase', { maxLength: () => 5, cut: 'plain' }],
  ['phone_number', { maxLength: () => 17 }],
  ['car_number', { maxLength: () => 8 }],
]);

/** 10 characters with Chinese ones, 20 without. */
function nameLength(value: string): number {
  return /\p{Script=Han}/u.test(value) ? 10 : 20;
}

/**
 * Makes values fit the limits of their kinds, so that a long product name does not fail the message. It cuts `thing`, `name`, `symbol`
 * and `character_string` and ends them with `…`. It cuts `letter` and `phrase` without it. Control characters and line breaks become
 * spaces. It never cuts the other kinds, such as `amount`, `number`, `time`, `date` and `phone_number`: a part of them would be wrong.
 *
 * Limits count characters (code points): an emoji of one code point is one character.
 *
 * @example
 * ```ts
 * fitTemplateData({ thing1: 'A very long name of a cup of coffee', amount2: '22.00' })      // { thing1: 'A very long name of…', amount2: '22.00' }
 * ```
 * @throws WechatTemplateError if a value is not text
 * @experimental
 */
export function fitTemplateData(data: TemplateData): TemplateData {
  requireTexts(data);
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [
      key,
      fitValue(value.replace(UNREADABLE, ' '), kindOf(key)),
    ]),
  );
}

function fitValue(value: string, kind: Kind | undefined): string {
  const characters = Array.from(value);
  if (!kind?.cut || characters.length <= kind.maxLength(value)) return value;
  const maxLength = kind.maxLength(value);
  if (kind.cut === 'plain') return characters.slice(0, maxLength).join('');
  return characters.slice(0, maxLength - 1).join('') + ELLIPSIS;
}

/**
 * Checks the values before a message is sent.
 * @throws WechatTemplateError that names the key and never the value
 */
export function requireTemplateData(data: TemplateData): void {
  requireTexts(data);
  const entries = Object.entries(data);
  if (entries.length === 0)
    throw new WechatTemplateError('data must have the keys of the template');
  for (const [key, value] of entries) {
    if (!KEY.test(key))
      throw new WechatTemplateError(
        'a key of data is not a key of a template; keys are a kind and a number, such as thing1',
      );
    const problem = problemOf(value, kindOf(key));
    if (problem) throw new WechatTemplateError(`${key} ${problem}`, key);
  }
}

function problemOf(value: string, kind: Kind | undefined): string | undefined {
  if (value.trim() === '') return 'must not be empty';
  if (value.search(UNREADABLE) >= 0) return 'must not contain line breaks or control characters';
  const maxLength = kind?.maxLength(value) ?? Infinity;
  return Array.from(value).length > maxLength
    ? `must have at most ${maxLength} characters; fitTemplateData shortens texts`
    : undefined;
}

function requireTexts(data: TemplateData): void {
  if (!isObject(data) || Object.values(data).some((value) => typeof value !== 'string'))
    throw new WechatTemplateError('data must be an object of texts by the keys of the template');
}

function kindOf(key: string): Kind | undefined {
  return KINDS.get(KEY.exec(key)?.[1] ?? '');
}
