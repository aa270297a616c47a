import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** Bytes of padding are 1 to 32: the block size of the padding is not that of AES. */
const PADDING_BLOCK = 32;
const RANDOM_BYTES = 16;
const LENGTH_BYTES = 4;

/** SHA-1 of the sorted texts without a separator, in hex. */
export const signatureOf = (...texts: string[]): string =>
  createHash('sha1').update(texts.toSorted().join('')).digest('hex');

/** The encryption of pushes and replies: AES-256-CBC with the start of the key as IV. */
export class PushCipher {
  private readonly key: Buffer;
  private readonly iv: Buffer;

  /** @param aesKey EncodingAESKey */
  constructor(
    aesKey: string,
    private readonly appId: string,
  ) {
    this.key = Buffer.from(`${aesKey}=`, 'base64');
    this.iv = this.key.subarray(0, 16);
  }

  encrypt(message: Buffer): string {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(message.length);
    const frame = Buffer.concat([
      randomBytes(RANDOM_BYTES),
      length,
      message,
      Buffer.from(this.appId),
    ]);
    const padding = PADDING_BLOCK - (frame.length % PADDING_BLOCK);
    const cipher = createCipheriv('aes-256-cbc', this.key, this.iv).setAutoPadding(false);
    const padded = Buffer.concat([frame, Buffer.alloc(padding, padding)]);
    return Buffer.concat([cipher.update(padded), cipher.final()]).toString('base64');
  }

  /** Returns the message, or undefined if it was not encrypted for this app with this key. */
  decrypt(encrypted: string): Buffer | undefined {
    const bytes = Buffer.from(encrypted, 'base64');
    if (bytes.length === 0 || bytes.length % 16 !== 0) return undefined;
    const decipher = createDecipheriv('aes-256-cbc', this.key, this.iv).setAutoPadding(false);
    const padded = Buffer.concat([decipher.update(bytes), decipher.final()]);
    const frame = padded.subarray(0, padded.length - (padded.at(-1) ?? 0));
    const start = RANDOM_BYTES + LENGTH_BYTES;
    if (frame.length < start) return undefined;
    const end = start + frame.readUInt32BE(RANDOM_BYTES);
    return frame.subarray(end).toString() === this.appId ? frame.subarray(start, end) : undefined;
  }
}
