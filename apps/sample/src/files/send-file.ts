import { StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import { byteRange } from './byte-range.js';
import type { ByteRange } from './byte-range.js';
import type { StoredFile } from './stored-files.js';

export interface SentFile {
  /** The value of a response header, so it must not contain data of a client. */
  name: string;
  type: string;
  /** How long the client may keep the file, in seconds. 0: not at all. */
  maxAge: number;
}

/** A browser must not guess another type for an uploaded file, and must not run scripts in it. */
const SAFE_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Accept-Ranges': 'bytes',
};

/** How long a client may keep the address of a file, in seconds. The address is valid for a minute longer. */
const MAX_REDIRECT_AGE = 240;

/** Redirects GET to the address of the file in the store, if the store has one. Otherwise sends the file. The address is not valid for HEAD. */
export async function redirectOrSend(
  reply: FastifyReply,
  file: StoredFile,
  as: SentFile,
): Promise<StreamableFile> {
  if (reply.request.method === 'HEAD') return sendFile(reply, file, as);
  const { type, name, maxAge } = as;
  const disposition = dispositionOf(name);
  const address = await file.addressFor({ type, disposition, cacheControl: cached(maxAge) });
  if (address === undefined) return sendFile(reply, file, as);
  const cacheControl = cached(Math.min(maxAge, MAX_REDIRECT_AGE));
  void reply.status(302).headers({ Location: address, 'Cache-Control': cacheControl });
  return new StreamableFile(new Uint8Array());
}

/** Sends a file, or the part that the request's Range header asks for. A file never changes under its name, so the name is its ETag. */
export async function sendFile(
  reply: FastifyReply,
  file: StoredFile,
  { name, type, maxAge }: SentFile,
): Promise<StreamableFile> {
  const { size } = file;
  const { range: header, 'if-range': ifRange } = reply.request.headers;
  const etag = `"${name}"`;
  const range = byteRange(ifRange === undefined || ifRange === etag ? header : undefined, size);
  if (range === 'outside') throw new RangeNotSatisfiableError(size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const content = await contentFor(reply, file, range);
  void reply.headers({ ...SAFE_HEADERS, ETag: etag, 'Cache-Control': cached(maxAge) });
  if (range) void reply.status(206).header('Content-Range', `bytes ${start}-${end}/${size}`);
  const options = { type, disposition: dispositionOf(name), length: end - start + 1 };
  return new StreamableFile(content, options);
}

/** Nothing for HEAD, which would otherwise read the whole file. */
async function contentFor(
  { request }: FastifyReply,
  file: StoredFile,
  range: ByteRange | undefined,
): Promise<Readable> {
  return request.method === 'HEAD' ? Readable.from([]) : file.read(range);
}

const dispositionOf = (name: string): string => `inline; filename="${name}"`;

const cached = (maxAge: number): string =>
  maxAge === 0 ? 'private, no-store' : `private, max-age=${maxAge}`;

export class RangeNotSatisfiableError extends AppError {
  constructor(size: number) {
    super(416, 'ERR_BAD_REQUEST', 'the range is outside the file', {
      headers: { 'Content-Range': `bytes */${size}` },
    });
  }
}
