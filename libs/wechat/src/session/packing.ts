/**
 * Records are packed, not JSON: a session is the one thing a store holds millions of. WeChat's ids are written as the bytes
 * that their text stands for.
 */
export class Packer {
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

  text(value: string): this {
    const form = FORMS.findIndex((one) => one.decode(one.encode(value)) === value);
    const bytes = (FORMS[form] ?? PLAIN).encode(value);
    return this.byte(form).byte(bytes.length).bytes(bytes);
  }

  done(): Buffer {
    return Buffer.concat(this.parts);
  }
}

/** Reads what a Packer wrote; `undefined` where the bytes are of another version or end too early. */
export function unpack<T>(
  bytes: Buffer,
  version: number,
  read: (from: Unpacker) => T,
): T | undefined {
  const from = new Unpacker(bytes);
  try {
    return from.byte() === version ? read(from) : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Reads in the order in which a Packer wrote. Reading past the end throws a RangeError. */
class Unpacker {
  private at = 0;

  constructor(private readonly data: Buffer) {}

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  time(): number {
    return this.bytes(6).readUIntBE(0, 6);
  }

  bytes(length: number): Buffer {
    const end = this.at + length;
    if (end > this.data.length) throw new RangeError('The record ends too early');
    const bytes = this.data.subarray(this.at, end);
    this.at = end;
    return bytes;
  }

  hasMore(): boolean {
    return this.at < this.data.length;
  }

  text(): string {
    const form = FORMS[this.byte()] ?? PLAIN;
    return form.decode(this.bytes(this.byte()));
  }
}

interface Form {
  encode(text: string): Buffer;
  decode(bytes: Buffer): string;
}

const APP_ID: Form = {
  encode: (text) => Buffer.from(text.slice(2), 'hex'),
  decode: (bytes) => `wx${bytes.toString('hex')}`,
};
const BASE64URL: Form = {
  encode: (text) => Buffer.from(text, 'base64url'),
  decode: (bytes) => bytes.toString('base64url'),
};
const PLAIN: Form = { encode: (text) => Buffer.from(text), decode: (bytes) => bytes.toString() };

/** The shortest first; PLAIN fits every text that is valid Unicode. The position is what is written, so never reorder. */
const FORMS = [APP_ID, BASE64URL, PLAIN];
