import { StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { FileHandle } from 'node:fs/promises';
import { AppError } from '../common/app-error.js';
import { byteRange } from './byte-range.js';

export interface SentFile {
  /** The value of a response header, so it must not contain data of a client. */
  name: string;
  type: string;
  cacheControl: string;
}

/** A browser must not guess another type for an uploaded file, and must not run scripts in it. */
const SAFE_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Accept-Ranges': 'bytes',
};

/**
 * Sends a file, or the part that the request's Range header asks for. A file never changes under its name, so the name is its ETag.
 * @param file an open file; it is closed when it is sent
 */
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
  if (range === 'outside') throw new RangeNotSatisfiableError(size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  void reply.headers({ ...SAFE_HEADERS, ETag: etag, 'Cache-Control': cacheControl });
  if (range) void reply.status(206).header('Content-Range', `bytes ${start}-${end}/${size}`);
  return new StreamableFile(file.createReadStream({ start, end }), {
    type,
    disposition: `inline; filename="${name}"`,
    length: end - start + 1,
  });
}

export class RangeNotSatisfiableError extends AppError {
  constructor(size: number) {
    super(416, 'ERR_BAD_REQUEST', 'the range is outside the file', {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
}
