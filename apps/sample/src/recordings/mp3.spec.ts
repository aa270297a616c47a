import fc from 'fast-check';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMp3Frames } from './mp3.js';

/** Frames of MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes, or 418 with padding; as encoders write them, with data in each. */
function frames(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, n) => {
      const frame = Buffer.alloc(417 + (n % 2), 0x55);
      frame.set([0xff, 0xfb, 0x90 | ((n % 2) << 1), 0xc0]);
      return frame;
    }),
  );
}

describe('the frames of an mp3 file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nestjs-wechat-mp3-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const find = async (...parts: Buffer[]) => {
    const content = Buffer.concat(parts);
    const path = join(folder, 'x');
    await writeFile(path, content);
    return findMp3Frames(path, content.length);
  };
  const length = frames(20).length;

  it('are found after any bytes and before any number of zeros', async () => {
    const before = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(60_000).map((size) => new Uint8Array(size)),
      fc.constant(Uint8Array.of(0xff, 0xfb, 0x90, 0xc0)), // a header without a frame
    );
    await fc.assert(
      fc.asyncProperty(before, fc.nat(200_000), async (leading, zeros) => {
        const range = await find(Buffer.from(leading), frames(20), Buffer.alloc(zeros));
        expect(range?.start).toBe(leading.length);
        const end = leading.length + length - 1;
        expect(range?.end).toBeGreaterThanOrEqual(end);
        expect(range?.end).toBeLessThan(end + 417);
      }),
      { numRuns: 60 },
    );
  });

  it('are not found in a file without frames', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20_000 }), async (bytes) => {
        expect(await find(Buffer.from(bytes))).toBeUndefined();
      }),
      { numRuns: 60 },
    );
    expect(await find(Buffer.alloc(100_000))).toBeUndefined();
    expect(await find(Buffer.alloc(100_000, 0xff))).toBeUndefined();
    expect(await find(frames(2))).toBeUndefined();
    expect(await find(Buffer.alloc(70_000), frames(20))).toBeUndefined();
  });
});
