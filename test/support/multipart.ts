import { clientOf } from './http.js';
import type { AppResponse } from './http.js';

export interface Part {
  name?: string;
  value: string | Buffer;
  /** If set, the part is a file. */
  filename?: string;
  type?: string;
}

export const BOUNDARY = '----WebKitFormBoundaryTest';

/** The form that wx.uploadFile sends: the text fields of `formData`, and a file with its temporary name. */
export function multipart(parts: Part[]): Buffer {
  const encoded = parts.flatMap(({ name = 'file', value, filename, type }) => [
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n`,
    type === undefined ? '\r\n' : `Content-Type: ${type}\r\n\r\n`,
    value,
    '\r\n',
  ]);
  return Buffer.concat(
    [...encoded, `--${BOUNDARY}--\r\n`].map((piece) => Buffer.from(piece as string)),
  );
}

/** `await uploadTo(url)('POST /recordings', token, [file(sound)])` */
export function uploadTo(
  url: string,
): (route: string, token: string, parts: Part[] | Buffer) => Promise<AppResponse> {
  return (route, token, parts) =>
    clientOf(url)(route, {
      token,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: new Blob([
        Buffer.isBuffer(parts) ? new Uint8Array(parts) : new Uint8Array(multipart(parts)),
      ]),
    });
}

/** A file with a name as phones set it. */
export const file = (
  value: string | Buffer,
  filename = 'tmp_9f2c41d8e1.durationTime=8000.mp3',
  name = 'file',
): Part => ({
  name,
  value,
  filename,
  type: 'application/octet-stream',
});
