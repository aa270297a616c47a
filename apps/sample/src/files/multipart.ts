import { Busboy } from '@fastify/busboy';
import type { BusboyFileStream, BusboyInstance } from '@fastify/busboy';
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { WechatBadRequestError } from 'nestjs-wechat';
import { AppError } from '../common/app-error.js';
import type { FileFolder, PartFile } from './file-folder.js';

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

/** What wx.uploadFile sends is far below. A second file is refused, further fields are ignored. */
const LIMITS = {
  files: 1,
  fields: 20,
  fieldSize: 1000,
  parts: 22,
  headerPairs: 20,
  headerSize: 8192,
};

/** A route that takes a file. Multipart bodies are refused on all others. */
export function TakesUpload(fields: Record<string, object> = {}): MethodDecorator {
  const properties = { file: { type: 'string', format: 'binary' }, ...fields };
  return applyDecorators(
    RouteConfig({ upload: true }),
    ApiConsumes('multipart/form-data'),
    ApiBody({ schema: { type: 'object', required: ['file'], properties } }),
  );
}

/** The body stays in the connection until a handler asks for it, after the guards. @fastify/multipart would cost every request a tenth. */
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

/**
 * Reads a multipart request to its end: its file to the folder, its text fields to the answer. Whatever breaks it off (a hang-up, a limit,
 * a full disk), nothing stays in the folder.
 */
export async function receiveUpload(
  { raw }: FastifyRequest,
  folder: FileFolder,
  maxBytes: number,
): Promise<Upload> {
  const form = formFor(raw, maxBytes);
  const fields: Record<string, string> = Object.create(null);
  const sources: BusboyFileStream[] = [];
  const files: Promise<PartFile>[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      form.on('field', (name, value) => (fields[name] = value));
      form.on('file', (_name, source) => {
        source.on('error', () => {}); // the form says it too
        source.once('limit', () => reject(new TooLargeError(maxBytes)));
        const file = folder.receive(source);
        file.catch(reject);
        sources.push(source);
        files.push(file);
      });
      form.once('filesLimit', () => reject(new WechatBadRequestError('send one file at a time')));
      form.once('error', () =>
        reject(new WechatBadRequestError('the multipart body is malformed')),
      );
      form.once('finish', resolve);
      raw.once(
        'close',
        () => raw.readableEnded || reject(new WechatBadRequestError('the upload broke off')),
      );
      raw.pipe(form);
    });
    const file = await files[0];
    if (!file) throw new WechatBadRequestError('there is no file in the request');
    return { file, fields };
  } catch (error) {
    raw.unpipe(form).resume(); // lets the client finish sending, else it never reads the answer
    for (const source of sources) source.destroy(error as Error); // without an error, a pipeline may take it for the end and wait for ever
    for (const written of await Promise.allSettled(files))
      if (written.status === 'fulfilled') await folder.discard(written.value);
    throw error;
  }
}

function formFor({ headers }: IncomingMessage, fileSize: number): BusboyInstance {
  const type = headers['content-type'] ?? '';
  if (!MULTIPART.test(type))
    throw new UnsupportedMediaTypeError('unsupported media type; send multipart/form-data');
  try {
    return new Busboy({ headers: { 'content-type': type }, limits: { ...LIMITS, fileSize } });
  } catch {
    throw new WechatBadRequestError('the multipart body is malformed'); // no boundary
  }
}

/** The file is not of a kind that the route takes, or the body is no form. */
export class UnsupportedMediaTypeError extends AppError {
  constructor(msg: string) {
    super(415, 'ERR_BAD_REQUEST', msg);
  }
}

class TooLargeError extends AppError {
  constructor(maxBytes: number) {
    super(413, 'ERR_BAD_REQUEST', `the file is larger than ${maxBytes / 1024 / 1024} MB`);
  }
}
