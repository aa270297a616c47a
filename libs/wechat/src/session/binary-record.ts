/*
 * The bytes of a record. A store holds millions of sessions, so ids of WeChat are written as the bytes that their text encodes:
 * a session with a unionid takes 98 bytes, and 257 as JSON.
 */

/** Returns milliseconds since 1970 as 6 bytes. */
export function timeBytes(ms: number): Buffer {
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUIntBE(ms, 0, 6);
  return bytes;
}

/** Returns text of up to 255 encoded bytes as its encoding, its length and its bytes. */
export function textBytes(text: string): Buffer {
  const encoding = encodingOf(text);
  const bytes = Buffer.from(encoding === HEX_APP_ID ? text.slice(2) : text, NODE[encoding]);
  return Buffer.concat([Buffer.of(encoding, bytes.length), bytes]);
}

/** Reads the fields of a record one after the other. Reading past the end throws a RangeError. */
export class BinaryReader {
  private at = 0;

  constructor(private readonly data: Buffer) {}

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (end > this.data.length) throw new RangeError('The record ends too early');
    const bytes = this.data.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  /** Reads what `timeBytes` returned. */
  time(): number {
    return this.bytes(6).readUIntBE(0, 6);
  }

  /** Reads what `textBytes` returned. */
  text(): string {
    const [encoding, length] = this.bytes(2) as unknown as [Encoding, number];
    const text = this.bytes(length).toString(NODE[encoding]);
    return encoding === HEX_APP_ID ? `wx${text}` : text;
  }

  hasMore(): boolean {
    return this.at < this.data.length;
  }
}

/** `wx` and an even number of hex digits: an appId. */
const HEX_APP_ID = 0;
/** Most openids and unionids. */
const BASE64URL = 1;
const UTF8 = 2;

/** The numbers are part of the stored format. */
type Encoding = typeof HEX_APP_ID | typeof BASE64URL | typeof UTF8;

const NODE = ['hex', 'base64url', 'utf8'] as const;

/** Returns the shortest encoding that restores the text. */
function encodingOf(text: string): Encoding {
  if (/^wx(?:[0-9a-f]{2})*$/.test(text)) return HEX_APP_ID;
  return Buffer.from(text, 'base64url').toString('base64url') === text ? BASE64URL : UTF8;
}
