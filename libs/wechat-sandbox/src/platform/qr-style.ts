import { isObject } from '../transport/request.js';
import { WechatFailure } from '../world/wechat-failure.js';

/** The appearance of a code. */
export interface QrStyle {
  /** Side in pixels. */
  width: number;
  transparent: boolean;
  /** Red, green, blue, each 0 to 255. */
  colour: [number, number, number];
}

/** The colour for `auto_color`. WeChat uses the app's main colour, which the sandbox does not know. */
const AUTO_COLOUR: QrStyle['colour'] = [7, 120, 70];

/** Reads width, colours and transparency of a request. Throws 40097 for values beyond their limits. */
export function parseQrStyle(body: Record<string, unknown>): QrStyle {
  const {
    width = 430,
    auto_color: auto = false,
    is_hyaline: transparent = false,
    line_color: colour = {},
  } = body;
  if (typeof auto !== 'boolean' || typeof transparent !== 'boolean' || !isObject(colour))
    throw new WechatFailure(40097);
  if (typeof width !== 'number' || !Number.isInteger(width) || width < 280 || width > 1280)
    throw new WechatFailure(40097);
  const { r = 0, g = 0, b = 0 } = colour;
  return { width, transparent, colour: auto ? AUTO_COLOUR : [channel(r), channel(g), channel(b)] };
}

/** Parses a colour channel. WeChat's samples write it as text. */
function channel(value: unknown): number {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 255)
    throw new WechatFailure(40097);
  return number;
}
