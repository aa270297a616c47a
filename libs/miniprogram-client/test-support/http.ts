/** A request as it leaves the phone, and its response: the transport below `wx.request`, `wx.uploadFile` and `wx.downloadFile`. */
export interface HttpCall {
  method: string;
  url: string;
  header: Record<string, string>;
  /** The text of the body, or the file and the text fields of an upload. */
  body?: string | UploadBody;
  /** Aborted when the phone gives the call up. */
  signal?: AbortSignal;
}

export interface UploadBody {
  name: string;
  fileName: string;
  bytes: Uint8Array<ArrayBuffer>;
  fields: Record<string, string>;
}

export interface HttpReply {
  statusCode: number;
  header: Record<string, string>;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Sends a call; rejects without a response. */
export type HttpSend = (call: HttpCall) => Promise<HttpReply>;

/** Sends over HTTP, for tests against a running server. */
export const httpSend: HttpSend = async ({ method, url, header, body, signal }) => {
  const sent: RequestInit = {
    method,
    signal,
    headers: headersFor(body, header),
    body: bodyFor(method, body),
  };
  const response = await fetch(url, sent);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { statusCode: response.status, header: Object.fromEntries(response.headers), bytes };
};

function bodyFor(method: string, body: HttpCall['body']): string | FormData | undefined {
  if (method === 'GET' || method === 'HEAD' || body === undefined) return undefined;
  if (typeof body === 'string') return body;
  const form = new FormData();
  for (const [name, value] of Object.entries(body.fields)) form.append(name, value);
  form.append(body.name, new Blob([body.bytes], { type: typeOf(body.fileName) }), body.fileName);
  return form;
}

/** fetch writes the multipart header itself, with the boundary it chose. */
function headersFor(
  body: HttpCall['body'],
  header: Record<string, string>,
): Record<string, string> {
  if (body === undefined || typeof body === 'string') return header;
  return Object.fromEntries(
    Object.entries(header).filter(([name]) => name.toLowerCase() !== 'content-type'),
  );
}

/** WeChat derives the type of the file from its name. */
function typeOf(fileName: string): string {
  const types: Record<string, string> = {
    mp3: 'audio/mpeg',
    aac: 'audio/aac',
    m4a: 'audio/mp4',
    wav: 'audio/wav',
    png: 'image/png',
    jpg: 'image/jpeg',
  };
  return types[fileName.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
}
