import { fileTypeFromFile } from 'file-type';
import { parseStream } from 'music-metadata';
import type { IAudioMetadata } from 'music-metadata';
import { WechatBadRequestError } from 'nestjs-wechat';
import { open } from 'node:fs/promises';
import { UnsupportedMediaTypeError } from '../files/multipart.js';
import type { PartFile } from '../files/file-folder.js';

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

/** What file-type calls them. Android records m4a under the general brands of MP4, which may be video as well. */
const FORMATS: Record<string, AudioFormat | undefined> = {
  mp3: 'mp3',
  m4a: 'm4a',
  mp4: 'm4a',
  aac: 'aac',
  wav: 'wav',
};

/** `wx.getRecorderManager` stops by itself at ten minutes; an encoder may add a few frames. */
const LONGEST = 600_000 + 1000;
/** A file may be built so that reading its frames takes minutes; an honest one of ten minutes takes a fraction of a second. */
const READING_TIME = 3000;
/** Between two bites, other requests have their turn. */
const BITE = 8192;

/** What a file really is, read from its content alone: its name and what the client says of it count for nothing. */
export async function readAudio({ path, size }: PartFile): Promise<Audio> {
  if (size === 0) throw new WechatBadRequestError('the file is empty');
  const format = FORMATS[(await fileTypeFromFile(path))?.ext ?? ''];
  if (!format) throw new UnsupportedMediaTypeError('the file must be mp3, m4a, aac or wav');
  const { duration = 0, hasVideo } = await parse(path, size, format);
  if (hasVideo) throw new UnsupportedMediaTypeError('the file is a video');
  if (!(duration > 0 && Number.isFinite(duration)))
    throw new WechatBadRequestError('the file has no sound in it');
  if (duration * 1000 > LONGEST)
    throw new WechatBadRequestError('the recording is longer than 10 minutes');
  return { format, duration: Math.round(duration * 1000) };
}

/** From an open file, which has no name that could say something else than `format`. */
async function parse(
  path: string,
  size: number,
  format: AudioFormat,
): Promise<IAudioMetadata['format']> {
  const source = (await open(path)).createReadStream({
    signal: AbortSignal.timeout(READING_TIME),
    highWaterMark: BITE,
  });
  try {
    const options = { duration: true, skipCovers: true, skipPostHeaders: true };
    return (await parseStream(source, { path: `recording.${format}`, size }, options)).format;
  } catch {
    throw new WechatBadRequestError('the file cannot be read as audio');
  } finally {
    source.destroy();
  }
}
