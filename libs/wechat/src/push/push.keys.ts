import { isUtf8 } from 'node:buffer';
import { isObject } from '../is-object.js';
import { WechatCallbackError } from '../wechat.errors.js';
import { isSameSignature, PushCipher, pushSignature } from './push.cipher.js';
import type { PushFormat } from './push.message.js';
import { writeXml } from './push.xml.js';

/**
 * The query of a push: a `URLSearchParams`, or the object that Express or Fastify parsed.
 *
 * @experimental
 * @example
 * ```ts
 * const query: PushQuery = new URLSearchParams(request.url.split('?')[1]);
 * ```
 */
export type PushQuery = URLSearchParams | Readonly<Record<string, unknown>>;

/** The verified bytes of a push. */
export interface VerifiedPush {
  /** As decrypted. */
  bytes: Buffer;
  encrypted: boolean;
  /** A reply repeats it. */
  nonce: string;
}

const MAX_FUTURE_MS = 5 * 60_000;
const MAX_ECHOSTR = 256;
const MAX_NONCE = 60;
const SECONDS = /^\d{1,12}$/;
/** WeChat's base64. In XML it is the only part of the frame that is signed, so the rest is not read at all. */
const ENCRYPT_START = '<Encrypt>';
const ENCRYPT_VALUE = /^(?:<!\[CDATA\[)?([\w+/=]+)(?:]]>)?<\/Encrypt>/;

/** Token and AES keys of one app: verifies and decrypts its pushes, and encrypts its replies. */
export class PushKeys {
  readonly isEncrypted: boolean;
  readonly #token: string;
  readonly #ciphers: PushCipher[];

  /** @param aesKeys each opens, and the first one seals; without any, pushes are plain */
  constructor(
    readonly appId: string,
    { token, aesKeys = [] }: { token: string; aesKeys?: readonly string[] },
  ) {
    this.#token = token;
    this.#ciphers = aesKeys.map((aesKey) => new PushCipher(aesKey, appId));
    this.isEncrypted = aesKeys.length > 0;
  }

  /**
   * Verifies and decrypts a push. With AES keys, only what was encrypted is believed.
   *
   * @param maxAgeMs the oldest accepted timestamp; 0 accepts any
   * @throws WechatCallbackError (403) if it is not a push of WeChat to this app
   */
  open(query: PushQuery, body: Buffer, now: number, maxAgeMs: number): VerifiedPush {
    const values = readQuery(query);
    checkAge(values.get('timestamp'), now, maxAgeMs);
    const nonce = values.get('nonce') ?? '';
    const bytes = this.isEncrypted
      ? this.decrypt(values, encryptedPart(body))
      : this.verifyPlain(values, body);
    if (!isUtf8(bytes)) throw refused('it is not UTF-8');
    return { bytes, encrypted: this.isEncrypted, nonce };
  }

  /**
   * Verifies the GET that the console sends when the URL is saved. It is signed like a plain push in every mode.
   *
   * @returns the echostr
   * @throws WechatCallbackError (403)
   */
  verifyUrl(query: PushQuery, now: number, maxAgeMs: number): string {
    const values = readQuery(query);
    checkAge(values.get('timestamp'), now, maxAgeMs);
    this.verify(values, 'signature');
    const echostr = values.get('echostr');
    if (!echostr || echostr.length > MAX_ECHOSTR) throw refused('echostr is missing or too long');
    return echostr;
  }

  /** Encrypts and signs a reply. */
  seal(format: PushFormat, reply: string, nonce: string, now: number): string {
    const Encrypt = this.#ciphers[0]!.encrypt(reply);
    const TimeStamp = Math.floor(now / 1000);
    const MsgSignature = pushSignature(this.#token, String(TimeStamp), nonce, Encrypt);
    const frame = { Encrypt, MsgSignature, TimeStamp, Nonce: nonce };
    return format === 'json' ? JSON.stringify(frame) : writeXml(frame);
  }

  private verifyPlain(values: Map<string, string>, body: Buffer): Buffer {
    this.verify(values, 'signature');
    return body;
  }

  private decrypt(values: Map<string, string>, encrypted: string | undefined): Buffer {
    if (encrypted === undefined) throw refused('it is not encrypted, and the app has an AES key');
    this.verify(values, 'msg_signature', encrypted);
    for (const cipher of this.#ciphers) {
      const message = cipher.decrypt(encrypted);
      if (message) return message;
    }
    throw refused(
      'its signature is right, but no AES key opens it as a message to this app: compare EncodingAESKey and AppID in the console',
    );
  }

  /** @param name of the signature. `signature` does not cover the body, so it says nothing about an encrypted push */
  private verify(values: Map<string, string>, name: string, ...signed: string[]): void {
    const timestamp = values.get('timestamp') ?? '';
    const nonce = values.get('nonce') ?? '';
    // The texts are signed without a separator. A long nonce could be the start of the ciphertext, cut off.
    if (nonce === '' || nonce.length > MAX_NONCE) throw refused('its nonce is missing or too long');
    const expected = pushSignature(this.#token, timestamp, nonce, ...signed);
    if (!isSameSignature(expected, values.get(name)))
      throw refused(`its ${name} is missing or wrong`);
  }
}

const refused = (reason: string): WechatCallbackError =>
  new WechatCallbackError(`The push is not accepted: ${reason}.`, 403);

/** Two values of one name could be read differently by different readers. */
function readQuery(query: PushQuery): Map<string, string> {
  const entries = query instanceof URLSearchParams ? [...query] : Object.entries(query);
  const values = new Map<string, string>();
  for (const [name, value] of entries) {
    if (typeof value !== 'string' || values.has(name))
      throw refused('a name is twice in the query');
    values.set(name, value);
  }
  return values;
}

function checkAge(timestamp: string | undefined, now: number, maxAgeMs: number): void {
  if (!SECONDS.test(timestamp ?? '')) throw refused('its timestamp is missing or not a number');
  const age = now - Number(timestamp) * 1000;
  if (age < -MAX_FUTURE_MS) throw refused('its timestamp is in the future: compare the clocks');
  if (maxAgeMs > 0 && age > maxAgeMs) throw refused('its timestamp is too old');
}

/** The value of `Encrypt`. These bytes are not verified yet, so no XML parser reads them. */
function encryptedPart(body: Buffer): string | undefined {
  const text = body.toString('latin1'); // base64 is ASCII, and nothing else of it is read
  if (!text.trimStart().startsWith('<')) return encryptedField(text);
  const at = text.lastIndexOf(ENCRYPT_START); // the last one: a text of a user is before it
  const isElement = at > 0 && text.trimStart().startsWith('<xml>');
  return isElement ? ENCRYPT_VALUE.exec(text.slice(at + ENCRYPT_START.length))?.[1] : undefined;
}

function encryptedField(text: string): string | undefined {
  try {
    const json: unknown = JSON.parse(text);
    const value = isObject(json) ? json['Encrypt'] : undefined;
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
