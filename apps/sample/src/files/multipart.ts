import { Busboy } from '@fastify/busboy';
import type { BusboyFileStream, BusboyInstance } from '@fastify/busboy';
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { BadRequestError } from '../common/app-error.js';
import type { PartFile } from './scratch.js';
import { TooLargeError, UnsupportedMediaTypeError, UploadAbortedError } from './upload-errors.js';
import type { Uploads } from './uploads.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    upload?: boolean;
  }
}

/** One file and the text fields around it. */
export interface Upload {
  file: PartFile;
  fields: Readonly<Record<string, string | undefined>>;
}

const MULTIPART = /^multipart\/form-data\s*;/i;

/** The field that has the file, as `wx.uploadFile({ name: 'file' })` sends it. */
const FILE_FIELD = 'file';

/** `wx.uploadFile` sends much less. A second file is refused, and further text fields are ignored. */
const LIMITS = {
  files: 1,
  fields: 20,
  fieldSize: 1000,
  parts: 22,
  headerPairs: 20,
  headerSize: 8192,
};

/** Marks a route that takes a file. All other routes refuse multipart bodies. */
export function TakesUpload(fields: Record<string, object> = {}): MethodDecorator {
  const properties = { [FILE_FIELD]: { type: 'string', format: 'binary' }, ...fields };
  return applyDecorators(
    RouteConfig({ upload: true }),
    ApiConsumes('multipart/form-data'),
    ApiBody({ schema: { type: 'object', required: [FILE_FIELD], properties } }),
  );
}

/** Leaves a multipart body in the connection until a handler reads it, which is after the guards. */
export function acceptUploads(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addContentTypeParser('multipart/form-data', ({ routeOptions }, _body, done) =>
    done(
      routeOptions.config.upload
        ? null
        : new UnsupportedMediaTypeError('unsupported media type; send application/json'),
    ),
  );
}

export interface UploadOptions {
  uploads: Uploads;
  maxBytes: number;
  /** Runs before the first byte is written. It throws to refuse the upload. */
  check?: () => Promise<void>;
}

/**
 * Receives the file of a multipart request as a part, and returns its text fields. If the upload fails, nothing stays on disk:
 * the client disconnects, a limit is reached, the disk is full, or the app closes.
 * @throws BadRequestError, UnsupportedMediaTypeError, StorageUnavailableError or an error with status 413
 */
export async function receiveUpload(
  { raw }: FastifyRequest,
  options: UploadOptions,
): Promise<Upload> {
  let release: (() => void) | undefined;
  try {
    release = await options.uploads.reserve(options.maxBytes);
    await options.check?.();
    return await parseForm(raw, options);
  } catch (error) {
    raw.resume(); // the client reads the response only after it has sent its request
    throw error;
  } finally {
    release?.();
  }
}

async function parseForm(
  raw: IncomingMessage,
  { uploads, maxBytes }: UploadOptions,
): Promise<Upload> {
  const form = formFor(raw, maxBytes);
  const fields: Record<string, string> = Object.create(null);
  const sources: BusboyFileStream[] = [];
  const files: Promise<PartFile>[] = [];
  const closing = uploads.closing.signal;
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      form.on('field', (name, value) => (fields[name] = value));
      form.on('file', (name, source) => {
        source.on('error', () => {}); // the form reports it too
        sources.push(source);
        if (name !== FILE_FIELD) return reject(new WrongFieldError());
        source.once('limit', () => reject(new TooLargeError(maxBytes)));
        const file = uploads.scratch.receive(source);
        file.catch(reject);
        files.push(file);
      });
      form.once('filesLimit', () => reject(new BadRequestError('send one file at a time')));
      form.once('error', () => reject(new BadRequestError('the multipart body is malformed')));
      form.once('finish', resolve);
      const disconnected = (): void =>
        raw.readableEnded ? undefined : reject(new BadRequestError('the upload was interrupted'));
      if (raw.destroyed) disconnected();
      raw.once('close', disconnected);
      abort = () => reject(new UploadAbortedError());
      if (closing.aborted) abort();
      closing.addEventListener('abort', abort);
      raw.pipe(form);
    });
    const file = await files[0];
    if (!file) throw new BadRequestError(`there is no file in the field "${FILE_FIELD}"`);
    return { file, fields };
  } catch (error) {
    raw.unpipe(form);
    for (const source of sources) source.destroy(error as Error); // without an error, the pipeline may wait for ever
    for (const written of await Promise.allSettled(files))
      if (written.status === 'fulfilled') await uploads.scratch.discard(written.value);
    throw error;
  } finally {
    if (abort) closing.removeEventListener('abort', abort);
  }
}

function formFor({ headers }: IncomingMessage, fileSize: number): BusboyInstance {
  const type = headers['content-type'] ?? '';
  if (!MULTIPART.test(type))
    throw new UnsupportedMediaTypeError('unsupported media type; send multipart/form-data');
  try {
    return new Busboy({ headers: { 'content-type': type }, limits: { ...LIMITS, fileSize } });
  } catch {
    throw new BadRequestError('the multipart body is malformed'); // it has no boundary
  }
}

class WrongFieldError extends BadRequestError {
  constructor() {
    super(`send the file in the field "${FILE_FIELD}"`);
  }
}
