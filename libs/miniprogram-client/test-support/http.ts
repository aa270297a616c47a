/** A call as it leaves the phone, and an answer as it comes back: what WeChat does below `wx.request` and its sisters. */
export interface HttpCall {
  method: string;
  url: string;
  header: Record<string, string>;
  /** Text of the body, or the one file and the text parts of an upload. */
  body?: string | UploadBody;
}

export interface UploadBody {
  name: string;
  fileName: string;
  bytes: Uint8Array<ArrayBuffer>;
  fields: Record<string, string>;
}

export interface HttpAnswer {
  statusCode: number;
  header: Record<string, string>;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Carries a call; rejects when no answer comes. */
export type HttpSend = (call: HttpCall) => Promise<HttpAnswer>;

/** Real HTTP, for tests against a running server. */
export const httpSend: HttpSend = async ({ method, url, header, body }) => {
  const sent: RequestInit = {
    method,
    headers: headersFor(body, header),
    body: bodyFor(method, body),
  };
  const answer = await fetch(url, sent);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  return { statusCode: answer.status, header: Object.fromEntries(answer.headers), bytes };
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

/** WeChat guesses the part's type from the name. */
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
