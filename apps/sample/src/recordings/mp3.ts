import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** Where the frames of an mp3 file are, in bytes. Both ends are included. */
export interface FrameRange {
  start: number;
  end: number;
}

/** How far players search for the first frame, and this app too. */
const SEARCH_BYTES = 64 * 1024;
/** An mp3 needs this many frames in a row, because four random bytes can look like the header of one frame. */
const FRAMES = 3;
const LONGEST_FRAME = 2881;
const BLOCK = 64 * 1024;
const TAG_HEADER_BYTES = 10;

/** Bits per second divided by 1,000, of layer III: of MPEG 1, and of MPEG 2 and 2.5. The first means "free", which is not supported. */
const BIT_RATES = [
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
/** By the two bits of the version: MPEG 2.5, none, MPEG 2, MPEG 1. */
const SAMPLE_RATES = [
  [11_025, 12_000, 8000],
  [],
  [22_050, 24_000, 16_000],
  [44_100, 48_000, 32_000],
];

/**
 * Finds the frames of an mp3 file that has a tag or other bytes before its first frame, or zeros behind its last one.
 * @returns `undefined` if there are no frames in the 64 KB behind the tag
 */
export async function findMp3Frames(path: string, size: number): Promise<FrameRange | undefined> {
  const file = await open(path);
  try {
    const sound = tagLength(await read(file, 0, TAG_HEADER_BYTES));
    const head = await read(file, sound, SEARCH_BYTES + FRAMES * LONGEST_FRAME);
    const first = firstFrame(head);
    if (first === undefined) return undefined;
    const start = sound + first;
    const frame = frameLength(head, first) ?? 1;
    const content = (await lastNonZero(file, start, size)) - start + 1;
    const end = Math.min(size, start + Math.ceil(content / frame) * frame) - 1; // the last frame may end with zeros
    return { start, end };
  } finally {
    await file.close();
  }
}

/**
 * The length of the ID3v2 tag at the beginning of a file, 0 if there is none. A tag can have a picture of any size.
 * @see https://id3.org/id3v2.4.0-structure
 */
function tagLength(header: Buffer): number {
  if (header.length < TAG_HEADER_BYTES || header.toString('latin1', 0, 3) !== 'ID3') return 0;
  const size = header.subarray(6).reduce((sum, byte) => sum * 128 + (byte & 127), 0);
  const hasFooter = ((header[5] ?? 0) & 0x10) !== 0;
  return TAG_HEADER_BYTES + size + (hasFooter ? TAG_HEADER_BYTES : 0);
}

function firstFrame(head: Buffer): number | undefined {
  for (let at = head.indexOf(0xff); at >= 0 && at < SEARCH_BYTES; at = head.indexOf(0xff, at + 1))
    if (isRowOfFrames(head, at)) return at;
  return undefined;
}

/** The next frames have the same version, layer and sample rate. */
function isRowOfFrames(bytes: Buffer, start: number): boolean {
  let at = start;
  for (let n = 0; n < FRAMES; n++) {
    const length = frameLength(bytes, at);
    if (length === undefined || !isSameKind(bytes, start, at)) return false;
    at += length;
  }
  return true;
}

function isSameKind(bytes: Buffer, one: number, other: number): boolean {
  const kind = (at: number): number => (bytes.readUInt32BE(at) & 0xfffe0c00) >>> 0;
  return kind(one) === kind(other);
}

/**
 * The length of the frame whose header is at a position; `undefined` if there is no header of layer III.
 * @see ISO/IEC 11172-3, 2.4.1.3 and 2.4.3.1
 */
function frameLength(bytes: Buffer, at: number): number | undefined {
  if (at + 4 > bytes.length) return undefined;
  const header = bytes.readUInt32BE(at);
  const [sync, version, layer] = [header >>> 21, (header >>> 19) & 3, (header >>> 17) & 3];
  if (sync !== 0x7ff || layer !== 1) return undefined;
  const bitRate = BIT_RATES[version === 3 ? 0 : 1]?.[(header >>> 12) & 15] ?? 0;
  const sampleRate = SAMPLE_RATES[version]?.[(header >>> 10) & 3];
  if (bitRate === 0 || sampleRate === undefined) return undefined;
  const padding = (header >>> 9) & 1;
  return Math.floor(((version === 3 ? 144 : 72) * bitRate * 1000) / sampleRate) + padding;
}

/** The position of the last byte that is not zero. */
async function lastNonZero(file: FileHandle, start: number, size: number): Promise<number> {
  for (let end = size; end > start; end -= BLOCK) {
    const from = Math.max(start, end - BLOCK);
    const block = await read(file, from, end - from);
    const at = block.findLastIndex((byte) => byte !== 0);
    if (at >= 0) return from + at;
  }
  return start;
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
