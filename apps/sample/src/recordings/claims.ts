import { WechatBadRequestError } from 'nestjs-wechat';
import type { Upload } from '../files/multipart.js';
import type { Recording } from './recording.entity.js';

/** What the recorder's onStop said of the file, as the client passes it on: milliseconds and bytes. */
export interface Claims {
  duration?: number;
  fileSize?: number;
}

/** Recorders round, and leave out the encoder's padding. */
const TOLERANCE = { factor: 0.1, duration: 1000 };

/** @throws WechatBadRequestError for what is no number */
export function claimsIn({ duration, fileSize }: Upload['fields']): Claims {
  return { duration: numberIn('duration', duration), fileSize: numberIn('fileSize', fileSize) };
}

/** In which fields the client's word is far off. A wrong recorder, or a file that was cut, is worth a look; the recording is good. */
export function differences(
  { duration, fileSize }: Claims,
  real: Pick<Recording, 'duration' | 'fileSize'>,
): string[] {
  const allowed = Math.max(TOLERANCE.duration, real.duration * TOLERANCE.factor);
  return [
    ...(duration !== undefined && Math.abs(duration - real.duration) > allowed
      ? [`duration ${duration}, not ${real.duration} ms`]
      : []),
    ...(fileSize !== undefined && fileSize !== real.fileSize
      ? [`fileSize ${fileSize}, not ${real.fileSize} bytes`]
      : []),
  ];
}

function numberIn(field: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,12}(\.\d{1,12})?$/.test(text))
    throw new WechatBadRequestError(`${field} must be a number`);
  return Number(text);
}
