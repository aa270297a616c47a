import { connect } from 'node:net';

/** A response of the app. */
export interface AppResponse {
  status: number;
  headers: Headers;
  /** The parsed JSON, or the text if it is not JSON. */
  body: any;
}

export interface Call {
  token?: string;
  headers?: Record<string, string>;
  /** An object is sent as JSON; a text or a Blob as it is, with the given Content-Type. */
  body?: unknown;
}

/** A client of one server: `const call = clientOf(url); await call('GET /me', { token })`. */
export function clientOf(base: string): (route: string, call?: Call) => Promise<AppResponse> {
  return async (route, { token, headers = {}, body } = {}) => {
    const [method, path] = route.split(' ', 2) as [string, string];
    const json = typeof body === 'object' && body !== null && !(body instanceof Blob);
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: json ? JSON.stringify(body) : (body as string) }),
      redirect: 'manual',
    });
    return {
      status: response.status,
      headers: response.headers,
      body: parse(await response.text()),
    };
  };
}

function parse(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Returns the sorted statuses of parallel requests, whose order is random. */
export const statusesOf = (responses: AppResponse[]): number[] =>
  responses.map(({ status }) => status).toSorted((a, b) => a - b);

/** Sends raw bytes that an HTTP client would not send. Returns the status and the whole response. */
export async function sendRaw(
  base: string,
  request: string,
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  socket.end(request, 'latin1');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return { status: Number(text.split(' ', 2)[1]), text };
}
