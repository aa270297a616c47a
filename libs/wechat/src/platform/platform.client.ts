import { HttpService } from '@nestjs/axios';
import { Inject, Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import { isAxiosError } from 'axios';
import type { AxiosRequestConfig, AxiosResponse } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { safeCause } from '../error-cause.js';
import { MinuteLog } from '../minute-log.js';
import { callChannel, retryChannel, traced } from '../diagnostics.js';
import type { WechatCall } from '../diagnostics.js';
import {
  WechatConfigError,
  WechatError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions, WECHAT_API_BASE_URL } from '../wechat.options.js';
import { cleanErrmsg, errorFor } from './errcode.js';
import { PlatformCircuit } from './platform.circuit.js';

export interface PlatformRequest {
  method: 'GET' | 'POST';
  /** Path of WeChat's API, such as `/sns/jscode2session`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** `single-use`: WeChat may have consumed the code, so only what surely did not arrive or was answered is repeated. */
  retry: 'single-use' | 'idempotent';
  /** When to give up, retries included, on `performance.now()`. @default twice the timeout, less a tenth */
  deadline?: number;
}

export type PlatformJson = Record<string, unknown>;

/**
 * A file from WeChat, such as the image of a mini-program code.
 *
 * @example
 * ```ts
 * const { data, contentType } = await api.call({ method: 'POST', path: '/wxa/getwxacode', body: { path }, expect: 'binary' });
 * ```
 */
export interface PlatformFile {
  data: Buffer;
  contentType: string;
}

/** How an attempt failed, which decides whether it may be repeated. */
type Failure = 'unsent' | 'lost' | 'busy' | 'garbage' | 'refused';

class FailedAttempt extends Error {
  constructor(
    readonly failure: Failure,
    readonly error: WechatError,
  ) {
    super(error.message);
  }
}

const RETRIES: Record<PlatformRequest['retry'], Record<Failure, number>> = {
  'single-use': { unsent: 1, busy: 1, lost: 0, garbage: 0, refused: 0 },
  idempotent: { unsent: 2, busy: 2, lost: 1, garbage: 1, refused: 0 },
};
/** WeChat's own second address. Used when the first cannot be reached at all, and never in place of another base URL. */
const SPARE_BASE_URL = 'https://api2.weixin.qq.com';
const MAX_JSON = 64 * 1024;
const MAX_FILE = 2 * 1024 * 1024;

/**
 * The only door to WeChat. Every call has one deadline over headers and body, a cap on bytes, and no redirects; the answer
 * is judged once; and what leaves here as an error has never seen the URL, where WeChat wants its secrets.
 */
@Injectable()
export class PlatformClient implements OnApplicationShutdown {
  /** What the last call met: `degraded` if WeChat was not there or refused our own credentials. */
  state: 'ok' | 'degraded' = 'ok';
  private readonly alarms = new MinuteLog('WechatPlatform');
  private readonly circuit = new PlatformCircuit();
  private readonly httpAgent = new HttpAgent({ keepAlive: true });
  private readonly httpsAgent = new HttpsAgent({ keepAlive: true });

  constructor(
    @Inject(HttpService) private readonly http: HttpService,
    @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
  ) {}

  onApplicationShutdown(): void {
    this.httpAgent.destroy();
    this.httpsAgent.destroy();
  }

  /** When a call that starts now has to be over, retries included. A feature that makes several calls shares one deadline. */
  deadline(): number {
    return performance.now() + this.options.api.timeout * 1.8;
  }

  /** A call that is answered in JSON. */
  json(request: PlatformRequest): Promise<PlatformJson> {
    return this.send(request, MAX_JSON, (response, info) => {
      const json = parseJson(response.data);
      if (!json) throw garbage('an answer that is not a JSON object', info);
      return judged(json, info);
    });
  }

  /** A call that is answered with a file, and with JSON where it fails. */
  file(request: PlatformRequest): Promise<PlatformFile> {
    return this.send(request, MAX_FILE, (response, info) => {
      const contentType = String(response.headers['content-type'] ?? '');
      const json = parseJson(response.data);
      if (json && (contentType.startsWith('image/') || judged(json, info)))
        throw garbage('JSON in place of a file', info);
      return { data: response.data, contentType };
    });
  }

  private send<T>(request: PlatformRequest, maxBytes: number, read: ReadAnswer<T>): Promise<T> {
    const deadline = request.deadline ?? this.deadline();
    const call: WechatCall = { endpoint: request.path };
    return traced(callChannel, call, () =>
      this.circuit.call(request.path, () =>
        this.attempts(request, { call, deadline, maxBytes }, read),
      ),
    );
  }

  private async attempts<T>(
    request: PlatformRequest,
    { call, deadline, maxBytes }: { call: WechatCall; deadline: number; maxBytes: number },
    read: ReadAnswer<T>,
  ): Promise<T> {
    let baseUrl = this.options.api.baseUrl;
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.attempt(request, { baseUrl, attempt, deadline, maxBytes }, read);
        this.state = 'ok';
        return answer;
      } catch (error) {
        if (!(error instanceof FailedAttempt)) throw error;
        const wait = backoff(request.retry, error.failure, attempt);
        const spent =
          attempt > RETRIES[request.retry][error.failure] || performance.now() + wait >= deadline;
        if (spent) throw this.observed(error.error);
        if (error.failure === 'unsent' && baseUrl === WECHAT_API_BASE_URL) baseUrl = SPARE_BASE_URL;
        retryChannel.publish({ call, error: error.error });
        await sleep(wait);
      }
    }
  }

  private async attempt<T>(
    request: PlatformRequest,
    {
      baseUrl,
      attempt,
      deadline,
      maxBytes,
    }: { baseUrl: string; attempt: number; deadline: number; maxBytes: number },
    read: ReadAnswer<T>,
  ): Promise<T> {
    const started = performance.now();
    const info = (): CallInfo => ({
      endpoint: request.path,
      attempt,
      ms: Math.round(performance.now() - started),
    });
    const timeout = Math.max(
      1,
      Math.ceil(Math.min(this.options.api.timeout, deadline - started, MAX_TIMER)),
    );
    const response = await firstValueFrom(
      this.http.request<Buffer>(this.configOf(request, baseUrl, maxBytes, timeout)),
    ).catch((error: unknown) => {
      throw transportFailure(error, info());
    });
    if (response.status === 200) return read(response, info());
    const told = { ...info(), rid: cleanErrmsg(parseJson(response.data)?.['errmsg']).rid };
    if (response.status >= 500) {
      throw new FailedAttempt(
        'busy',
        new WechatUnavailableError(`WeChat answered HTTP ${response.status}.`, told),
      );
    }
    throw new FailedAttempt('refused', unexpected(`HTTP ${response.status}`, told));
  }

  private configOf(
    { method, path, query, body }: PlatformRequest,
    baseURL: string,
    maxBytes: number,
    timeout: number,
  ): AxiosRequestConfig {
    return {
      method,
      baseURL,
      url: path,
      params: query,
      // WeChat's older APIs refuse \u escapes, which JSON.stringify does not write
      data: body && Buffer.from(JSON.stringify(body)),
      headers: body && { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(timeout),
      maxRedirects: 0, // a redirect would carry the secret in the query to wherever it points
      maxContentLength: maxBytes,
      proxy: false,
      responseType: 'arraybuffer',
      transformRequest: [],
      validateStatus: () => true,
      httpAgent: this.httpAgent,
      httpsAgent: this.httpsAgent,
    };
  }

  /** What only an operator can mend is said loudly, once a minute. */
  private observed(error: WechatError): WechatError {
    const ours = error instanceof WechatConfigError;
    if (ours) this.alarms.error(error.message, `${error.endpoint} ${error.errcode}`);
    this.state = ours || error instanceof WechatUnavailableError ? 'degraded' : 'ok';
    return error;
  }
}

/** Makes of an HTTP 200 what the caller wants, or throws a FailedAttempt. */
type ReadAnswer<T> = (response: AxiosResponse<Buffer>, info: CallInfo) => T;

type CallInfo = { endpoint: string; attempt: number; ms: number };

/** The longest that a timer of Node can wait. */
const MAX_TIMER = 2 ** 31 - 1;

function backoff(retry: PlatformRequest['retry'], failure: Failure, attempt: number): number {
  if (failure !== 'busy') return 0;
  return retry === 'single-use'
    ? 100 + Math.random() * 200
    : Math.random() * Math.min(200 * 2 ** (attempt - 1), 2000);
}

function parseJson(data: Buffer): PlatformJson | undefined {
  try {
    const json: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data),
    );
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as PlatformJson)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Success is an errcode of 0 or none at all; some tables of WeChat type it as text. */
function judged(json: PlatformJson, info: CallInfo): PlatformJson {
  const errcode = json['errcode'] === undefined ? 0 : Number(json['errcode']);
  if (errcode === 0) return json;
  if (!Number.isInteger(errcode)) throw garbage('an errcode that is not a number', info);
  const { text, rid } = cleanErrmsg(json['errmsg']);
  throw new FailedAttempt(
    errcode === -1 ? 'busy' : 'refused',
    errorFor(errcode, text, { ...info, rid }),
  );
}

function garbage(what: string, info: CallInfo): FailedAttempt {
  return new FailedAttempt('garbage', unexpected(what, info));
}

function unexpected(what: string, info: CallInfo): WechatResponseError {
  return new WechatResponseError(
    `${info.endpoint} gave ${what}, which its protocol does not know.`,
    info,
  );
}

/** Connection refused, unknown host, no route: nothing was sent. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/** What axios throws holds the URL with the secret in it, so it is looked at here and goes no further. */
function transportFailure(error: unknown, info: CallInfo): FailedAttempt {
  const code = isAxiosError(error) ? (error.code ?? '') : '';
  const cause = isAxiosError(error) ? safeCause(error.cause, code) : undefined;
  const gone = (failure: Failure, what: string): FailedAttempt =>
    new FailedAttempt(failure, new WechatUnavailableError(what, { ...info, cause }));
  if (code === 'ERR_CANCELED') return gone('lost', `WeChat did not answer within ${info.ms} ms.`);
  if (UNSENT.has(code) || neverConnected(error))
    return gone('unsent', `WeChat cannot be reached (${code}).`);
  if (/^(HPE_|Z_)/.test(code) || isTooLarge(error))
    return garbage('an answer that is broken or too large', info);
  return gone('lost', `The connection to WeChat broke (${code || 'unknown cause'}).`);
}

/** axios tells a body over the cap and a body that broke off by the same code. */
function isTooLarge(error: unknown): boolean {
  return error instanceof Error && error.message.includes('maxContentLength');
}

/** A connection that was reset before or within the TLS handshake. */
function neverConnected(error: unknown): boolean {
  const socket = (
    error as { request?: { socket?: { connecting?: boolean; secureConnecting?: boolean } } }
  ).request?.socket;
  return socket?.connecting === true || socket?.secureConnecting === true;
}
