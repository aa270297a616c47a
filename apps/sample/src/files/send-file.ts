import { StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../common/app-error.js';
import { byteRange } from './byte-range.js';

export interface SentFile {
  /** Of our making: it goes into a header. */
  name: string;
  type: string;
  cacheControl: string;
}

/** What users upload is shown as what it is or not at all: no sniffing, no scripts, a name of ours. */
const HARMLESS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Accept-Ranges': 'bytes',
};

/** A file, or the part that the request's Range asks for. It never changes under its name, so the name is its ETag. */
export async function sendFile(
  reply: FastifyReply,
  file: FileHandle,
  { name, type, cacheControl }: SentFile,
): Promise<StreamableFile> {
  const { size } = await file.stat();
  const { range: header, 'if-range': ifRange } = reply.request.headers;
  const etag = `"${name}"`;
  const range = byteRange(ifRange === undefined || ifRange === etag ? header : undefined, size);
  if (range === 'outside') await file.close();
  if (range === 'outside') throw new RangeOutsideError(size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  void reply.headers({ ...HARMLESS, ETag: etag, 'Cache-Control': cacheControl });
  if (range) void reply.status(206).header('Content-Range', `bytes ${start}-${end}/${size}`);
  return new StreamableFile(file.createReadStream({ start, end }), {
    type,
    disposition: `inline; filename="${name}"`,
    length: end - start + 1,
  });
}

class RangeOutsideError extends AppError {
  constructor(size: number) {
    super(416, 'ERR_BAD_REQUEST', 'the range lies outside of the file', {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
}
