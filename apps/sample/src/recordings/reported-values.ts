import { BadRequestError } from '../common/app-error.js';
import type { Upload } from '../files/multipart.js';
import type { Recording } from './recording.entity.js';

/** What the recorder's `onStop` reported, as the client sends it: milliseconds and bytes. */
export interface ReportedValues {
  duration?: number;
  fileSize?: number;
}

/** Recorders round, and leave out the encoder's padding. */
const TOLERANCE = { factor: 0.1, duration: 1000 };

/** @throws BadRequestError if a field is not a number */
export function readReportedValues({ duration, fileSize }: Upload['fields']): ReportedValues {
  return { duration: readNumber('duration', duration), fileSize: readNumber('fileSize', fileSize) };
}

/** Describes the reported values that are far from the real ones. They show a wrong recorder or a cut file; the recording is kept. */
export function describeDifferences(
  { duration, fileSize }: ReportedValues,
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

function readNumber(field: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,12}(\.\d{1,12})?$/.test(text)) throw new BadRequestError(`${field} must be a number`);
  return Number(text);
}
