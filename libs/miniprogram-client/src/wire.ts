import { Reply, unwrap } from './answer.js';
import { assign } from './assign.js';
import { WxPromise, promised } from './request-error.js';
import { WxMethod } from './wx.js';

interface Call {
  /** Path under `baseUrl`, starting with a slash. */
  url: string;
  /** Further headers. `Authorization` is set for you. */
  header?: Record<string, string>;
  /** Milliseconds; WeChat's own default is 60000. */
  timeout?: number;
}

/** What {@link Session.request} takes: the fields of `wx.request`, without callbacks. */
export interface RequestOptions extends Call {
  /** @default 'GET' */
  method?: WxMethod;
  /** Becomes the query of a GET and the JSON body of everything else. */
  data?: unknown;
  /** `arraybuffer` for an image or a sound. */
  responseType?: 'text' | 'arraybuffer';
}

/** What {@link Session.uploadFile} takes: the fields of `wx.uploadFile`, which is always a multipart POST. */
export interface UploadOptions extends Call {
  /** The temporary path WeChat gave, from a recorder or a picker. */
  filePath: string;
  /** The part's name. @default 'file' */
  name?: string;
  /** Further text parts. */
  formData?: Record<string, unknown>;
}

/** What {@link Session.downloadFile} takes: the fields of `wx.downloadFile`. */
export type DownloadOptions = Call;

/** `wx.request`, `wx.uploadFile` or `wx.downloadFile`. */
type Carrier<C> = (options: C & { header: Record<string, string> } & WxPromise<Reply>) => unknown;

/** Promises the answer's `data`, or rejects with a `RequestError`. */
export type Wire = <T, C extends Call>(
  carrier: Carrier<C>,
  call: C,
  session_rd?: string,
) => Promise<T>;

/** The only door to the server. Knows what a call looks like, and nothing of sessions. */
export function createWire(baseUrl: string): Wire {
  if (!/^https?:/.test(baseUrl))
    throw new Error('createSession needs a baseUrl like "https://api.example.com".');
  const base = baseUrl.replace(/\/+$/, '');

  return <T, C extends Call>(carrier: Carrier<C>, call: C, session_rd?: string) => {
    // Only paths, so that a session_rd never travels to another host.
    if (call.url.charAt(0) !== '/')
      throw new Error('url is a path under baseUrl, like "/me"; it was "' + call.url + '".');
    const bearer: Record<string, string> = session_rd
      ? { Authorization: 'Bearer ' + session_rd }
      : {};
    const sent = { url: base + call.url, header: assign({}, call.header || {}, bearer) };
    return promised<Reply>(
      (callbacks) => carrier(assign({}, call, sent, callbacks)),
      'ERR_NETWORK',
    ).then((reply) => unwrap<T>(reply));
  };
}
