/**
 * Writes a record as bytes. A store holds millions of sessions, so ids of WeChat are written as the bytes that their text
 * encodes: a session with a unionid takes 98 bytes, and 257 as JSON.
 */
export class BinaryWriter {
  private readonly parts: Buffer[] = [];

  byte(value: number): this {
    this.parts.push(Buffer.of(value));
    return this;
  }

  /** Milliseconds since 1970, in 6 bytes. */
  time(value: number): this {
    const bytes = Buffer.allocUnsafe(6);
    bytes.writeUIntBE(value, 0, 6);
    this.parts.push(bytes);
    return this;
  }

  /** Bytes of a length that the reader knows. */
  bytes(value: Buffer): this {
    this.parts.push(value);
    return this;
  }

  /** Text of up to 255 encoded bytes: its encoding, its length, its bytes. */
  text(value: string): this {
    const encoding = encodingOf(value);
    const bytes = Buffer.from(encoding === HEX_APP_ID ? value.slice(2) : value, NODE[encoding]);
    return this.byte(encoding).byte(bytes.length).bytes(bytes);
  }

  done(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** Reads in the order in which a BinaryWriter wrote. Reading past the end throws a RangeError. */
export class BinaryReader {
  private at = 0;

  constructor(private readonly data: Buffer) {}

  byte(): number {
    return this.data.readUInt8(this.at++);
  }

  time(): number {
    this.at += 6;
    return this.data.readUIntBE(this.at - 6, 6);
  }

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (end > this.data.length) throw new RangeError('The record ends too early');
    const bytes = this.data.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  text(): string {
    const encoding = this.byte() as Encoding;
    const text = this.bytes(this.byte()).toString(NODE[encoding]);
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
