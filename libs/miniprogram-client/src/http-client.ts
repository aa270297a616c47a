import { AbortState, aborted } from './abortable.js';
import { assign } from './assign.js';
import { Reply, Unwrap, payloadOf, unwrapByDefault } from './response.js';
import { WxMethod } from './wx.js';
import { WxPromise, callWx } from './wx-call.js';

/** The fields that {@link Session.request}, {@link Session.uploadFile} and {@link Session.downloadFile} share. */
export interface CallOptions {
  /** Path under `baseUrl`, starting with a slash. */
  url: string;
  /** Further headers. `Authorization` is set for you. */
  header?: Record<string, string | undefined>;
  /** Milliseconds until the call fails with `ERR_NETWORK`. @default 10000 for a request, 60000 for an upload or a download */
  timeout?: number;
}

/** The argument of {@link Session.request}: the fields of `wx.request`, without callbacks. */
export interface RequestOptions extends CallOptions {
  /** @default 'GET' */
  method?: WxMethod;
  /** Becomes the query of a GET and the JSON body of every other method. */
  data?: unknown;
  /** `arraybuffer` for an image or a sound. */
  responseType?: 'text' | 'arraybuffer';
}

/** The argument of {@link Session.uploadFile}: the fields of `wx.uploadFile`, which is always a multipart POST. */
export interface UploadOptions extends CallOptions {
  /** The temporary path that WeChat returned from a recorder or a picker. */
  filePath: string;
  /** The name of the multipart field. @default 'file' */
  name?: string;
  /** Further text fields. */
  formData?: Record<string, unknown>;
  /** Called with the percentage that was sent. */
  onProgress?: (percent: number) => void;
}

/** The argument of {@link Session.downloadFile}: the fields of `wx.downloadFile`. */
export interface DownloadOptions extends CallOptions {
  /** Called with the percentage that was received. */
  onProgress?: (percent: number) => void;
}

/** `wx.request`, `wx.uploadFile` or `wx.downloadFile`. */
export type WxTransfer<C> = (
  options: C & { header: Record<string, string> } & WxPromise<Reply>,
) => unknown;

/** Sends a call and returns its payload, or rejects with a `RequestError`. */
export type HttpClient = <T, C extends DownloadOptions>(
  transfer: WxTransfer<C>,
  call: C,
  timeoutMs: number,
  session_rd: string | undefined,
  state: AbortState,
) => Promise<T>;

/** Sends all requests to the server. It contains no code for sessions. */
export function createHttpClient(baseUrl: string, unwrap?: Unwrap): HttpClient {
  if (!/^https?:/.test(baseUrl))
    throw new Error('createSession needs a baseUrl like "https://api.example.com".');
  const base = baseUrl.replace(/\/+$/, '');

  return <T, C extends DownloadOptions>(
    transfer: WxTransfer<C>,
    call: C,
    timeoutMs: number,
    session_rd: string | undefined,
    state: AbortState,
  ) => {
    if (state.isAborted) throw aborted();
    // Only paths, so that a session_rd is never sent to another host.
    if (call.url.charAt(0) !== '/')
      throw new Error('url is a path under baseUrl, like "/me"; it was "' + call.url + '".');
    const timeout = call.timeout || timeoutMs;
    const bearer = { Authorization: session_rd && 'Bearer ' + session_rd };
    const header = assign({}, call.header || {}, bearer) as Record<string, string>; // assign skips undefined values
    const sent = { url: base + call.url, header, timeout };
    const { onProgress } = call;
    return callWx<Reply>(
      (callbacks) => {
        const options = assign({}, call, sent, callbacks);
        delete options.onProgress;
        state.task = transfer(options);
        reportProgress(state.task as ProgressTask, onProgress);
        return state.task;
      },
      timeout,
      'ERR_NETWORK',
    ).then((reply) => payloadOf<T>(reply, unwrap || unwrapByDefault));
  };
}

/** The task of `wx.uploadFile` and `wx.downloadFile`. Older base libraries report no progress. */
interface ProgressTask {
  onProgressUpdate?: (listener: (update: { progress: number }) => void) => void;
}

function reportProgress(task: ProgressTask, onProgress: DownloadOptions['onProgress']): void {
  if (onProgress && task.onProgressUpdate)
    task.onProgressUpdate(({ progress }) => onProgress(progress));
}
