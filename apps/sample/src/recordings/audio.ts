import { fileTypeFromFile } from 'file-type';
import { parseFromTokenizer } from 'music-metadata';
import type { IAudioMetadata } from 'music-metadata';
import { open } from 'node:fs/promises';
import { fromStream } from 'strtok3';
import { BadRequestError } from '../common/app-error.js';
import type { PartFile } from '../files/scratch.js';
import { UnsupportedMediaTypeError } from '../files/upload-errors.js';
import { findMp3Frames } from './mp3.js';
import type { FrameRange } from './mp3.js';

export type AudioFormat = 'mp3' | 'm4a' | 'aac' | 'wav';

export interface Audio {
  format: AudioFormat;
  /** Milliseconds. */
  duration: number;
}

export const AUDIO_TYPES: Record<AudioFormat, string> = {
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  aac: 'audio/aac',
  wav: 'audio/wav',
};

/** The names that `file-type` uses. Android records m4a under the general brands of MP4, which may be a video as well. */
const FORMATS: Record<string, AudioFormat | undefined> = {
  mp3: 'mp3',
  m4a: 'm4a',
  mp4: 'm4a',
  aac: 'aac',
  wav: 'wav',
};

/** `wx.getRecorderManager` stops by itself at ten minutes; an encoder may add a few frames. */
const LONGEST_MS = 600_000 + 1000;
/** A file can be built so that reading its frames takes minutes. A real one of ten minutes takes a fraction of a second. */
const READ_TIMEOUT_MS = 3000;
/** Other requests run between two chunks. */
const CHUNK_BYTES = 8192;

/**
 * The parser handles a tag or a table in one go, during which no other request runs and no timeout fires: 20 MB of tags take ten seconds.
 * Ten minutes of m4a have a table of 110 KB.
 */
const MAX_PART_BYTES = 128 * 1024;

/** A few bytes before an mp3 can look like another format. If there are more, the file has that other format: a video contains mp3 frames. */
const MAX_LEADING_BYTES = 32;

/** PCM, silk and amr are refused: browsers and other phones cannot play them. */
const WRONG_FORMAT =
  "the file must be mp3, m4a, aac or wav; record with wx.getRecorderManager().start({ format: 'mp3' }), or 'aac' or 'wav'";

/**
 * Reads format and duration from the content of a file. Its name and the values that the client reports are not used.
 * @throws BadRequestError or UnsupportedMediaTypeError
 */
export async function readAudio({ path, size }: PartFile): Promise<Audio> {
  if (size === 0) throw new BadRequestError('the file is empty');
  const { format, range } = await findSound(path, size);
  const { duration = 0, hasVideo } = await parse(path, range, format);
  if (hasVideo) throw new UnsupportedMediaTypeError('the file is a video');
  if (!(duration > 0 && Number.isFinite(duration)))
    throw new BadRequestError('the file contains no sound');
  if (duration * 1000 > LONGEST_MS)
    throw new BadRequestError('the recording is longer than 10 minutes');
  return { format, duration: Math.round(duration * 1000) };
}

/** Finds the format of a file and where its sound is. */
async function findSound(
  path: string,
  size: number,
): Promise<{ format: AudioFormat; range: FrameRange }> {
  const type = (await fileTypeFromFile(path))?.ext;
  const format = FORMATS[type ?? ''];
  if (format === undefined || format === 'mp3') {
    const frames = await findMp3Frames(path, size);
    if (frames && (type === undefined || format || frames.start <= MAX_LEADING_BYTES))
      return { format: 'mp3', range: frames };
  }
  if (!format) throw new UnsupportedMediaTypeError(WRONG_FORMAT);
  return { format, range: { start: 0, end: size - 1 } };
}

/** Parses a range of a file. The name that the parser gets says the format only. */
async function parse(
  path: string,
  { start, end }: FrameRange,
  format: AudioFormat,
): Promise<IAudioMetadata['format']> {
  const source = (await open(path)).createReadStream({
    start,
    end,
    signal: AbortSignal.timeout(READ_TIMEOUT_MS),
    highWaterMark: CHUNK_BYTES,
  });
  try {
    const options = { duration: true, skipCovers: true, skipPostHeaders: true };
    const fileInfo = { path: `recording.${format}`, size: end - start + 1 };
    const tokenizer = await fromStream(source, { fileInfo, maxBufferSize: MAX_PART_BYTES });
    return (await parseFromTokenizer(tokenizer, options)).format;
  } catch {
    throw new BadRequestError('the file cannot be read as audio');
  } finally {
    source.destroy();
  }
}
