import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import QRCode from 'qrcode';
import { PlatformResponse } from '../transport/response.js';
import type { QrStyle } from './qr-style.js';

/** Light modules around the code. Scanners need them to find it. */
const QUIET_ZONE = 4;

/**
 * Draws a square code that any scanner reads as JSON with these fields. WeChat's own codes contain a ticket that only WeChat can read.
 * A transparent code is a PNG, any other a JPEG.
 */
export function drawQrCode(content: object, style: QrStyle): PlatformResponse {
  const { width } = style;
  const data = paint(
    QRCode.create(JSON.stringify(content), { errorCorrectionLevel: 'L' }).modules,
    style,
  );
  if (!style.transparent)
    return new PlatformResponse(jpeg.encode({ data, width, height: width }, 92).data, {
      'content-type': 'image/jpeg',
    });
  const png = new PNG({ width, height: width });
  png.data = data;
  return new PlatformResponse(PNG.sync.write(png), { 'content-type': 'image/png' });
}

/** Returns RGBA pixels: modules of whole pixels, centred. */
function paint(modules: QRCode.BitMatrix, { width, transparent, colour }: QrStyle): Buffer {
  const scale = Math.max(1, Math.floor(width / (modules.size + 2 * QUIET_ZONE)));
  const margin = Math.floor((width - scale * modules.size) / 2);
  const dark = Buffer.from([...colour, 255]);
  const pixels = Buffer.alloc(
    width * width * 4,
    Buffer.from([255, 255, 255, transparent ? 0 : 255]),
  );
  const moduleAt = (pixel: number): number => Math.floor((pixel - margin) / scale);
  for (let y = margin; y < margin + scale * modules.size; y++) {
    for (let x = margin; x < margin + scale * modules.size; x++) {
      if (modules.get(moduleAt(y), moduleAt(x))) dark.copy(pixels, (y * width + x) * 4);
    }
  }
  return pixels;
}
