import { Injectable, Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { callChannel, retryChannel, traced } from '../diagnostics.js';
import type { WechatCall } from '../diagnostics.js';
import { parseExactJson } from '../exact-json.js';
import { MinuteLog } from '../minute-log.js';
import { CircuitBreaker, MAX_FAILURES } from '../transport/circuit-breaker.js';
import { HttpTransport } from '../transport/http.transport.js';
import type { HttpResponse } from '../transport/http.transport.js';
import { withRetries } from '../transport/retry.js';
import { TransportError } from '../transport/transport-error.js';
import type { TransportFailure } from '../transport/transport-error.js';
import {
  WechatConfigError,
  WechatError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions, WECHAT_API_BASE_URL } from '../wechat.options.js';
import { cleanErrmsg, errorFor } from './errcode.js';

export interface PlatformRequest {
  method: 'GET' | 'POST';
  /** Path of WeChat's API, such as `/sns/jscode2session`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** `single-use`: WeChat may have used up the code, so a request that may have arrived is not repeated. */
  retry: 'single-use' | 'idempotent';
  /** When the call fails, retries included, by `performance.now()`. @default 1.8 times the timeout from now */
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

/**
 * Why an attempt failed:
 * - `unsent`: no connection was made
 * - `lost`: the request was sent, and there is no complete response
 * - `busy`: HTTP 5xx or errcode -1
 * - `invalid`: the response violates the protocol
 * - `refused`: any other errcode or HTTP status
 */
type Failure = 'unsent' | 'lost' | 'busy' | 'invalid' | 'refused';

class FailedAttempt extends Error {
  constructor(
    readonly failure: Failure,
    readonly error: WechatError,
  ) {
    super(error.message);
  }
}

/** The maximum number of retries after each failure. */
const MAX_RETRIES: Record<PlatformRequest['retry'], Record<Failure, number>> = {
  'single-use': { unsent: 1, busy: 1, lost: 0, invalid: 0, refused: 0 },
  idempotent: { unsent: 2, busy: 2, lost: 1, invalid: 1, refused: 0 },
};
const FAILURE_OF: Record<TransportFailure, Failure> = {
  unsent: 'unsent',
  timeout: 'lost',
  lost: 'lost',
  'too-large': 'invalid',
  malformed: 'invalid',
};
/** WeChat's second host. It is used if no connection to the first host can be made, but not if another base URL is configured. */
const SPARE_BASE_URL = 'https://api2.weixin.qq.com';
const MAX_JSON_BYTES = 64 * 1024;
const MAX_FILE_BYTES = 2 * 1024 * 1024;

interface Attempt {
  /** From 1. */
  number: number;
  baseUrl: string;
  /** By `performance.now()`. */
  deadline: number;
  maxBytes: number;
}

/** What an error says about an attempt. `ms` is the time until now. */
type CallInfo = { endpoint: string; attempt: number; readonly ms: number };

/**
 * Returns the result of a response with HTTP 200.
 * @throws FailedAttempt
 */
type Read<T> = (response: HttpResponse, info: CallInfo, request: PlatformRequest) => T;

/** The only client of WeChat's API. Every call has one deadline, retries included. */
@Injectable()
export class PlatformClient {
  /** `degraded` if the last call got no response, or WeChat refused the app's credentials. */
  state: 'ok' | 'degraded' = 'ok';
  private readonly logger = new Logger('WechatPlatform');
  private readonly minuteLog = new MinuteLog('WechatPlatform');
  private readonly breakers = new Map<string, CircuitBreaker>();

  constructor(
    private readonly http: HttpTransport,
    private readonly options: ResolvedWechatOptions,
  ) {}

  /** Returns the deadline of a call that starts now, by `performance.now()`. Several calls of one request share a deadline. */
  deadline(): number {
    return performance.now() + this.options.api.timeoutMs * 1.8;
  }

  /** Sends a call that returns JSON. */
  json(request: PlatformRequest): Promise<PlatformJson> {
    return this.send(request, MAX_JSON_BYTES, readJson);
  }

  /** Sends a call that returns a file. WeChat reports its errors as JSON. */
  file(request: PlatformRequest): Promise<PlatformFile> {
    return this.send(request, MAX_FILE_BYTES, readFile);
  }

  /** The options hold the app secrets. */
  [inspect.custom](): string {
    return 'PlatformClient {}';
  }

  toJSON(): object {
    return {};
  }

  private send<T>(request: PlatformRequest, maxBytes: number, read: Read<T>): Promise<T> {
    const call: WechatCall = { endpoint: request.path };
    return traced(callChannel, call, () =>
      this.breakerOf(request.path).execute(() =>
        this.sendWithRetries(call, request, maxBytes, read),
      ),
    );
  }

  private async sendWithRetries<T>(
    call: WechatCall,
    request: PlatformRequest,
    maxBytes: number,
    read: Read<T>,
  ): Promise<T> {
    const deadline = request.deadline ?? this.deadline();
    let { baseUrl } = this.options.api;
    try {
      const result = await withRetries(
        (number) => this.attempt(request, { number, baseUrl, deadline, maxBytes }, read),
        {
          deadline,
          delayMs: (error, attempt) =>
            error instanceof FailedAttempt
              ? delayOf(request.retry, error.failure, attempt)
              : undefined,
          onRetry: (error) => {
            const { failure, error: reason } = error as FailedAttempt;
            if (failure === 'unsent' && baseUrl === WECHAT_API_BASE_URL) baseUrl = SPARE_BASE_URL;
            retryChannel.publish({ call, error: reason });
          },
        },
      );
      this.state = 'ok';
      return result;
    } catch (error) {
      throw error instanceof FailedAttempt ? this.report(error.error) : error;
    }
  }

  private async attempt<T>(
    request: PlatformRequest,
    { number, baseUrl, deadline, maxBytes }: Attempt,
    read: Read<T>,
  ): Promise<T> {
    const { method, path, query, body } = request;
    const startedAt = performance.now();
    const info: CallInfo = {
      endpoint: path,
      attempt: number,
      get ms() {
        return Math.round(performance.now() - startedAt);
      },
    };
    const response = await this.http
      .send({
        method,
        baseUrl,
        path,
        query,
        headers: body && { 'content-type': 'application/json' },
        body: body && Buffer.from(JSON.stringify(body)),
        timeoutMs: Math.min(this.options.api.timeoutMs, deadline - startedAt),
        maxBytes,
      })
      .catch((error: unknown) => {
        throw error instanceof TransportError ? withoutResponse(error, info) : error;
      });
    if (response.status !== 200) throw statusError(response, info);
    return read(response, info, request);
  }

  private breakerOf(endpoint: string): CircuitBreaker {
    const known = this.breakers.get(endpoint);
    if (known) return known;
    const breaker = new CircuitBreaker({
      isFailure: (error) => error instanceof WechatUnavailableError,
      openError: () =>
        new WechatUnavailableError(
          'WeChat does not respond, and the circuit breaker is open: one call at a time is sent until WeChat responds.',
          { endpoint },
        ),
      onOpen: () =>
        this.logger.error(
          `${MAX_FAILURES} calls of ${endpoint} in a row got no response. The circuit breaker is open: one call at a time is sent until WeChat responds.`,
        ),
      onClose: () =>
        this.logger.log(`WeChat responds to ${endpoint} again. The circuit breaker is closed.`),
    });
    this.breakers.set(endpoint, breaker);
    return breaker;
  }

  /** Updates `state`. Logs an error that only an operator can fix, at most once a minute. */
  private report(error: WechatError): WechatError {
    const isConfig = error instanceof WechatConfigError;
    if (isConfig) this.minuteLog.error(error.message, `${error.endpoint} ${error.errcode}`);
    this.state = isConfig || error instanceof WechatUnavailableError ? 'degraded' : 'ok';
    return error;
  }
}

/**
 * Returns the milliseconds until the next attempt. The jitter keeps instances from retrying together.
 * @returns `undefined` if no further attempt is allowed
 */
function delayOf(
  retry: PlatformRequest['retry'],
  failure: Failure,
  attempt: number,
): number | undefined {
  if (attempt > MAX_RETRIES[retry][failure]) return undefined;
  if (failure !== 'busy') return 0;
  return retry === 'single-use'
    ? 100 + Math.random() * 200
    : Math.random() * Math.min(200 * 2 ** (attempt - 1), 2000);
}

function readJson({ body }: HttpResponse, info: CallInfo, request: PlatformRequest): PlatformJson {
  const json = parseJson(body);
  if (!json) throw invalid('a response that is not a JSON object', info);
  return checked(json, info, request);
}

function readFile(
  { headers, body }: HttpResponse,
  info: CallInfo,
  request: PlatformRequest,
): PlatformFile {
  const contentType = headers['content-type'] ?? '';
  const json = parseJson(body);
  if (json && (contentType.startsWith('image/') || checked(json, info, request)))
    throw invalid('JSON instead of a file', info);
  return { data: body, contentType };
}

function parseJson(data: Buffer): PlatformJson | undefined {
  try {
    const json = parseExactJson(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data),
    );
    return typeof json === 'object' && json !== null && !Array.isArray(json)
      ? (json as PlatformJson)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Returns `json` if it has errcode 0 or none. Some pages of WeChat's documentation show the errcode as text.
 * @throws FailedAttempt for any other errcode
 */
function checked(json: PlatformJson, info: CallInfo, request: PlatformRequest): PlatformJson {
  const errcode = json['errcode'] === undefined ? 0 : Number(json['errcode']);
  if (errcode === 0) return json;
  if (!Number.isInteger(errcode)) throw invalid('an errcode that is not a number', info);
  const { text, rid } = cleanErrmsg(json['errmsg'], secretsOf(request));
  throw new FailedAttempt(
    errcode === -1 ? 'busy' : 'refused',
    errorFor(errcode, text, { ...info, rid }),
  );
}

function statusError({ status, body }: HttpResponse, info: CallInfo): FailedAttempt {
  const call = { ...info, rid: cleanErrmsg(parseJson(body)?.['errmsg']).rid };
  return status >= 500
    ? new FailedAttempt('busy', new WechatUnavailableError(`WeChat returned HTTP ${status}.`, call))
    : new FailedAttempt('refused', invalidResponse(`HTTP ${status}`, call));
}

/** Converts the error of a request without a usable response. */
function withoutResponse(
  { failure, message, cause }: TransportError,
  info: CallInfo,
): FailedAttempt {
  return FAILURE_OF[failure] === 'invalid'
    ? invalid('a malformed or too large response', info)
    : new FailedAttempt(
        FAILURE_OF[failure],
        new WechatUnavailableError(`WeChat did not respond: ${message}.`, { ...info, cause }),
      );
}

function invalid(what: string, info: CallInfo): FailedAttempt {
  return new FailedAttempt('invalid', invalidResponse(what, info));
}

function invalidResponse(what: string, info: CallInfo): WechatResponseError {
  return new WechatResponseError(
    `${info.endpoint} returned ${what}, which its protocol does not allow.`,
    info,
  );
}

/** Shorter values are not masked. They occur in ordinary text, such as a language. */
const MIN_SECRET_LENGTH = 8;
const PUBLIC_PARAMETERS = new Set(['appid', 'grant_type', 'sig_method']);

/** Returns every text of the request at any depth, except public parameters and short texts. */
function secretsOf({ query, body }: PlatformRequest): string[] {
  return textsIn([query, body]).filter((text) => text.length >= MIN_SECRET_LENGTH);
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, nested]) =>
    PUBLIC_PARAMETERS.has(name) ? [] : textsIn(nested),
  );
}
