import { bulkhead, isBulkheadRejectedError } from 'cockatiel';
import { fileTypeFromFile } from 'file-type';
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { UnavailableError } from '../common/app-error.js';
import { UnsupportedMediaTypeError } from '../files/upload-errors.js';

/** The accepted formats, by their names in `file-type`. */
const FORMATS = ['jpg', 'png', 'webp', 'gif'];
/** 120 MB when decoded. Photos of phones have fewer, unless they are also larger than the 2 MB of an upload. */
const MAX_PIXELS = 40_000_000;
const MAX_SIDE = 1024;
/**
 * Encoders write a progressive JPEG in about ten scans. Each scan is one more pass over all pixels: 400 KB with 2,646 scans take minutes, and
 * neither the timeout nor `process.exit` ends the decoder before it has read the last scan.
 */
const MAX_SCANS = 32;
/** sharp compares it between two parts of the result, so it does not end a decoder that has not returned a part yet. */
const TIMEOUT_SECONDS = 5;
const QUALITY = 85;
const START_OF_SCAN = Buffer.of(0xff, 0xda);

/** Decodes two pictures at a time, and lets 100 more wait. This limits the memory and keeps a core free for other requests. */
const decoding = bulkhead(2, 100);
sharp.concurrency(1); // threads for one picture
sharp.cache(false); // no picture is decoded twice

/**
 * Decodes a picture and encodes it again as a JPEG: upright, at most 1,024 pixels wide and high, without metadata such as the position where
 * a photo was taken. Of an animation, the first frame is taken.
 * @throws UnsupportedMediaTypeError if it is not a picture, or cannot be decoded completely
 * @see https://sharp.pixelplumbing.com/api-constructor
 */
export async function reencodePicture(path: string): Promise<Buffer> {
  const { ext = '' } = (await fileTypeFromFile(path)) ?? {};
  if (!FORMATS.includes(ext))
    throw new UnsupportedMediaTypeError('the picture must be JPEG, PNG, WebP or GIF');
  if (ext === 'jpg' && countScans(await readFile(path)) > MAX_SCANS)
    throw new UnsupportedMediaTypeError(
      `the picture is a JPEG of more than ${MAX_SCANS} scans; save it without the progressive option`,
    );
  try {
    return await decoding.execute(() => encode(path));
  } catch (error) {
    throw isBulkheadRejectedError(error)
      ? new UnavailableError('too many pictures are being processed; try again shortly')
      : new UnsupportedMediaTypeError(
          'the picture is damaged, or has more than 40 million pixels, so it cannot be decoded',
        );
  }
}

/** Counts the markers Start of Scan. In the data of a scan, a zero follows each byte 0xff, so the marker is not found there. */
function countScans(jpeg: Buffer): number {
  let scans = 0;
  for (let at = jpeg.indexOf(START_OF_SCAN); at >= 0; at = jpeg.indexOf(START_OF_SCAN, at + 2))
    scans++;
  return scans;
}

function encode(path: string): Promise<Buffer> {
  return sharp(path, { failOn: 'error', limitInputPixels: MAX_PIXELS })
    .timeout({ seconds: TIMEOUT_SECONDS })
    .autoOrient()
    .resize({ width: MAX_SIDE, height: MAX_SIDE, fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' }) // JPEG has no transparency
    .jpeg({ quality: QUALITY })
    .toBuffer();
}
