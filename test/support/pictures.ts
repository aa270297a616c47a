import { encode } from 'jpeg-js';
import { PNG } from 'pngjs';
import { crc32, deflateSync } from 'node:zlib';

/** A picture whose left half is red and whose right half is blue. */
function pixels(width: number, height: number): Buffer {
  const red = Buffer.from([255, 0, 0, 255]);
  const blue = Buffer.from([0, 0, 255, 255]);
  const row = Array.from({ length: width }, (_, x) => (x < width / 2 ? red : blue));
  const line = Buffer.concat(row);
  return Buffer.concat(Array.from({ length: height }, () => line));
}

export function png(width: number, height: number): Buffer {
  return PNG.sync.write(Object.assign(new PNG({ width, height }), { data: pixels(width, height) }));
}

/** @param orientation how EXIF says that the picture is turned, 1 to 8; 6 is a quarter to the right */
export function jpeg(width: number, height: number, orientation?: number): Buffer {
  const { data } = encode({ width, height, data: pixels(width, height) }, 90);
  if (orientation === undefined) return data;
  return Buffer.concat([data.subarray(0, 2), exif(orientation), data.subarray(2)]);
}

/** The camera model that `jpeg` with an orientation contains, together with a position. */
export const CAMERA = 'CanaryCamera';

/** An APP1 segment: camera, orientation, and a position of 31° 14′ north. */
function exif(orientation: number): Buffer {
  const entry = (tag: number, type: number, count: number, value: number): Buffer => {
    const bytes = Buffer.alloc(12);
    bytes.writeUInt16BE(tag, 0);
    bytes.writeUInt16BE(type, 2);
    bytes.writeUInt32BE(count, 4);
    if (type === 3) bytes.writeUInt16BE(value, 8);
    else bytes.writeUInt32BE(value, 8);
    return bytes;
  };
  const directory = (...entries: Buffer[]): Buffer =>
    Buffer.concat([Buffer.from([0, entries.length]), ...entries, Buffer.alloc(4)]);
  const camera = Buffer.from(`${CAMERA}\0`);
  const first = 8;
  const afterFirst = first + 2 + 3 * 12 + 4;
  const gps = afterFirst + camera.length;
  const position = gps + 2 + 2 * 12 + 4;
  const rationals = Buffer.alloc(24);
  [31, 1, 14, 1, 0, 1].forEach((value, i) => rationals.writeUInt32BE(value, i * 4));
  const tiff = Buffer.concat([
    Buffer.from('4d4d002a00000008', 'hex'),
    directory(
      entry(0x0110, 2, camera.length, afterFirst),
      entry(0x0112, 3, 1, orientation),
      entry(0x8825, 4, 1, gps),
    ),
    camera,
    directory(entry(0x0001, 2, 2, 0x4e000000), entry(0x0002, 5, 3, position)),
    rationals,
  ]);
  const body = Buffer.concat([Buffer.from('Exif\0\0'), tiff]);
  return Buffer.concat([
    Buffer.from([0xff, 0xe1, (body.length + 2) >> 8, (body.length + 2) & 0xff]),
    body,
  ]);
}

/** A PNG of one colour. @param rows how many rows its data has; fewer than its height make it incomplete */
export function hugePng(side: number, rows = side): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([1, 0], 8); // one bit a pixel, grey
  const row = Buffer.alloc(1 + Math.ceil(side / 8));
  const data = deflateSync(Buffer.concat(Array.from({ length: rows }, () => row)));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/**
 * A valid grey JPEG of 37 million pixels. Each scan adds one bit of one coefficient of all blocks, which is zero.
 * @param scans at most 2,646, in addition to the first three, which have the means of the blocks
 */
export function progressiveJpeg(scans: number): Buffer {
  const side = 6080;
  const blocks = (side / 8) ** 2;
  const segment = (marker: number, ...bytes: number[]): Buffer =>
    Buffer.from([0xff, marker, (bytes.length + 2) >> 8, (bytes.length + 2) & 0xff, ...bytes]);
  const table = (id: number, symbol: number): Buffer =>
    segment(0xc4, id, 1, ...Array<number>(15).fill(0), symbol);
  const scan = (component: number, coefficient: number, bit: number, data: Buffer): Buffer =>
    Buffer.concat([segment(0xda, 1, component, 0, coefficient, coefficient, bit), data]);
  const size = [side >> 8, side & 0xff];
  const empty = '0' + '1'.repeat(14); // "the next 32,767 blocks have nothing in this scan"
  const bits = empty.repeat(Math.ceil(blocks / 32_767));
  const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1').match(/.{8}/g) ?? [];
  const nothing = Buffer.from(
    bytes.map((byte) => parseInt(byte, 2)).flatMap((byte) => (byte === 0xff ? [byte, 0] : [byte])),
  );
  const refinements = [1, 2, 3].flatMap((component) =>
    Array.from({ length: 63 * 14 }, (_, n) => {
      const bit = 13 - (n % 14);
      const history = bit === 13 ? 0 : bit + 1;
      return scan(component, 1 + Math.floor(n / 14), (history << 4) | bit, nothing);
    }),
  );
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    segment(0xdb, 0, ...Array<number>(64).fill(1)),
    segment(0xc2, 8, ...size, ...size, 3, ...[1, 2, 3].flatMap((id) => [id, 0x11, 0])),
    table(0x00, 0),
    table(0x10, 0xe0),
    ...[1, 2, 3].map((id) => scan(id, 0, 0, Buffer.alloc(blocks / 8))),
    ...refinements.slice(0, scans),
    Buffer.from([0xff, 0xd9]),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}

export const PNG_PICTURE = png(2, 2);
export const JPEG_PICTURE = jpeg(8, 8);
/** The header of a JPEG without data. */
export const JPEG_HEADER = Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex');
export const GIF_PICTURE = Buffer.from(
  'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7',
  'base64',
);
export const WEBP_PICTURE = Buffer.from(
  'UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAwA0JaQAA3AA/vuUAAA=',
  'base64',
);
