import { randomBytes, randomInt } from 'node:crypto';
import type { Letter, Message, ReadResponse, Tampering } from '../deliveries/delivery.js';
import { unixSeconds } from '../world/clock.js';
import type { PushConfig, PushContent } from '../world/push.js';
import { PushCipher, signatureOf } from './cipher.js';
import { read, write } from './format.js';

/** A push is sent three times in all, each 5 s after the one before. */
const REPEAT_AFTER_MS = [5000, 5000];

/** A message push. All attempts have the same message, and each attempt is encrypted and signed again. */
export class Push implements Message {
  readonly kind = 'push';
  readonly title: string;
  readonly url: string;
  readonly repeatAfter = REPEAT_AFTER_MS;
  private readonly cipher?: PushCipher;

  /** @param message with all fields of the frame */
  constructor(
    appId: string,
    private readonly config: PushConfig,
    private readonly message: PushContent,
  ) {
    this.url = config.url;
    this.title = [message['MsgType'], message['Event']].filter(Boolean).join(' ');
    if (config.aesKey !== undefined && config.mode !== 'plain')
      this.cipher = new PushCipher(config.aesKey, appId);
  }

  isAcknowledgement(status: number): boolean {
    return status === 200;
  }

  /** Only a missing response is repeated. */
  isRepeatedAfter(status: number): boolean {
    return status === 0;
  }

  write(tampering?: Tampering | 'signTest'): Letter {
    const { token, format, mode } = this.config;
    const nonce = String(randomInt(1e8, 1e9));
    const timestamp = String(unixSeconds(Date.now()));
    const signed = [
      tampering === 'signature' || tampering === 'signTest' ? `${token}0` : token,
      timestamp,
      nonce,
    ];
    const query = new URLSearchParams({ signature: signatureOf(...signed), timestamp, nonce });
    const clear = write(format, this.message);
    if (!this.cipher) return this.letter(query, tampering === 'body' ? withSpace(clear) : clear);
    const text = this.cipher.encrypt(clear);
    const encrypted = tampering === 'ciphertext' ? broken(text) : text;
    query.set('openid', String(this.message['FromUserName']));
    query.set('encrypt_type', 'aes');
    query.set('msg_signature', signatureOf(...signed, encrypted));
    const frame = {
      ...(mode === 'compatible' ? this.message : { ToUserName: this.message['ToUserName'] }),
      Encrypt: tampering === 'body' ? broken(encrypted) : encrypted,
    };
    return this.letter(query, write(format, frame));
  }

  read(body: string): ReadResponse {
    if (body === '' || body === 'success') return { reply: body };
    const outer = read(body);
    if (!outer) return { note: 'invalid reply: neither success, JSON nor XML' };
    if (!this.cipher) return { reply: outer };
    return this.readEncrypted(this.cipher, outer);
  }

  private readEncrypted(cipher: PushCipher, outer: Record<string, unknown>): ReadResponse {
    const { Encrypt, MsgSignature, TimeStamp, Nonce } = outer;
    if (typeof Encrypt !== 'string') return { note: 'invalid reply: it is not encrypted' };
    const signature = signatureOf(this.config.token, String(TimeStamp), String(Nonce), Encrypt);
    if (MsgSignature !== signature) return { note: 'invalid reply: MsgSignature is wrong' };
    const reply = read(cipher.decrypt(Encrypt)?.toString() ?? '');
    return reply ? { reply } : { note: 'invalid reply: Encrypt does not decrypt to a message' };
  }

  private letter(query: URLSearchParams, body: Buffer): Letter {
    const contentType = this.config.format === 'json' ? 'application/json' : 'text/xml';
    const headers = { 'Content-Type': contentType, 'User-Agent': 'Mozilla/4.0', Accept: '*/*' };
    return { query, headers, body };
  }
}

/** Returns the query of the console's check, and the echostr that the server must return. */
export function verificationOf(token: string): { query: URLSearchParams; echostr: string } {
  const timestamp = String(unixSeconds(Date.now()));
  const nonce = String(randomInt(1e8, 1e9));
  const echostr = String(randomBytes(8).readBigUInt64BE() % 10n ** 19n).padStart(19, '1');
  const signature = signatureOf(token, timestamp, nonce);
  return { query: new URLSearchParams({ signature, echostr, timestamp, nonce }), echostr };
}

/** In plain mode the signature does not cover the body, so a changed body verifies. */
const withSpace = (body: Buffer): Buffer => Buffer.concat([body, Buffer.from(' ')]);

/** Returns the text with another last byte. */
function broken(encrypted: string): string {
  const bytes = Buffer.from(encrypted, 'base64');
  bytes[bytes.length - 1]! ^= 1;
  return bytes.toString('base64');
}
