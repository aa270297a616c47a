import { Injectable, Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { callChannel, retryChannel, traced } from '../diagnostics.js';
import type { WechatCall } from '../diagnostics.js';
import { parseExactJson } from '../exact-json.js';
import { isObject } from '../is-object.js';
import { MinuteLog } from '../minute-log.js';
import { CircuitBreaker, MAX_FAILURES } from '../transport/circuit-breaker.js';
import { HttpTransport } from '../transport/http.transport.js';
import type { HttpResponse } from '../transport/http.transport.js';
import { withRetries } from '../transport/retry.js';
import { TransportError } from '../transport/transport-error.js';
import { WechatConfigError, WechatError, WechatUnavailableError } from '../wechat.errors.js';
import { ResolvedWechatOptions, WECHAT_API_BASE_URL } from '../wechat.options.js';
import { errorFor, isLoginCodeRefused } from './errcode.js';
import { cleanErrmsg } from './errmsg.js';
import { delayOf, FailedAttempt, invalid, withoutResponse } from './failed-attempt.js';
import type { CallInfo, RetryRule } from './failed-attempt.js';
import { isWechatId } from './wechat-text.js';

export interface PlatformRequest {
  method: 'GET' | 'POST';
  /** Path of WeChat's API, such as `/sns/jscode2session`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  retry: RetryRule;
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

/** WeChat's second host. It is used if no connection to the first host can be made, but not if another base URL is configured. */
const SPARE_BASE_URL = 'https://api2.weixin.qq.com';

/** A request with the deadline of its call. */
type TimedRequest = PlatformRequest & { deadline: number };

/** The kind of response that a call expects. */
interface Expected<T> {
  maxBytes: number;
  /**
   * Returns the result of a response with HTTP 200.
   * @throws FailedAttempt
   */
  read: (response: HttpResponse, info: CallInfo, request: PlatformRequest) => T;
}

const JSON_OBJECT: Expected<PlatformJson> = { maxBytes: 64 * 1024, read: readJson };
const FILE: Expected<PlatformFile> = { maxBytes: 2 * 1024 * 1024, read: readFile };

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
    return this.send(request, JSON_OBJECT);
  }

  /** Sends a call that returns a file. WeChat reports its errors as JSON. */
  file(request: PlatformRequest): Promise<PlatformFile> {
    return this.send(request, FILE);
  }

  /** The options hold the app secrets. */
  [inspect.custom](): string {
    return 'PlatformClient {}';
  }

  toJSON(): object {
    return {};
  }

  private send<T>(request: PlatformRequest, expected: Expected<T>): Promise<T> {
    const call: WechatCall = { endpoint: request.path };
    const timed = { ...request, deadline: request.deadline ?? this.deadline() };
    return traced(callChannel, call, () =>
      this.breakerOf(request.path).execute(() => this.sendWithRetries(timed, expected, call)),
    );
  }

  private async sendWithRetries<T>(
    request: TimedRequest,
    expected: Expected<T>,
    call: WechatCall,
  ): Promise<T> {
    let { baseUrl } = this.options.api;
    try {
      const result = await withRetries(
        (attempt) => this.attempt(request, expected, attempt, baseUrl),
        {
          deadline: request.deadline,
          delayMs: (error, attempt) =>
            error instanceof FailedAttempt
              ? delayOf(error.failure, request.retry, attempt)
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
      throw error instanceof FailedAttempt ? this.report(error, request, baseUrl) : error;
    }
  }

  private async attempt<T>(
    request: TimedRequest,
    { maxBytes, read }: Expected<T>,
    attempt: number,
    baseUrl: string,
  ): Promise<T> {
    const { method, path, query, body, deadline } = request;
    const startedAt = performance.now();
    const info: CallInfo = {
      endpoint: path,
      attempt,
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

  /** Updates `state`, and logs the failure. */
  private report(failed: FailedAttempt, request: PlatformRequest, baseUrl: string): WechatError {
    const { error } = failed;
    this.log(failed, appIdOf(request), baseUrl);
    const isDegraded =
      error instanceof WechatConfigError || error instanceof WechatUnavailableError;
    this.state = isDegraded ? 'degraded' : 'ok';
    return error;
  }

  /** Logs what only an operator can fix, each at most once a minute. */
  private log(
    { error, noResponse }: FailedAttempt,
    appId: string | undefined,
    baseUrl: string,
  ): void {
    if (noResponse !== undefined)
      this.minuteLog.warn(
        `WeChat at ${new URL(baseUrl).origin} does not respond: ${noResponse}. Check WECHAT_API_BASE_URL, DNS and the outgoing network.`,
        'no response',
      );
    if (isLoginCodeRefused(error))
      this.minuteLog.warn(
        `WeChat refuses login codes (40029). A code works once, for 5 minutes. If every login fails, the mini program has another AppID than ${appId}.`,
        'login code', // one line for all apps, because anyone can send invented codes
      );
    if (error instanceof WechatConfigError)
      this.minuteLog.error(error.message, `${error.endpoint} ${error.errcode} ${appId ?? ''}`);
  }
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
    return isObject(json) ? json : undefined;
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
  const { query, body } = request;
  const { text: errmsg, rid } = cleanErrmsg(json['errmsg'], { query, body });
  const call = { ...info, rid, errcode };
  throw new FailedAttempt(
    errcode === -1 ? 'busy' : 'refused',
    errorFor({ call, errmsg, appId: appIdOf(request) }),
  );
}

function statusError({ status, body }: HttpResponse, info: CallInfo): FailedAttempt {
  const call = { ...info, rid: cleanErrmsg(parseJson(body)?.['errmsg']).rid };
  return status >= 500
    ? new FailedAttempt('busy', new WechatUnavailableError(`WeChat returned HTTP ${status}.`, call))
    : invalid(`HTTP ${status}`, call, 'refused');
}

/** Returns the AppID that a request names. The APIs of logins and access tokens take it as `appid`. */
function appIdOf({ query, body }: PlatformRequest): string | undefined {
  const { appid } = { ...body, ...query } as { appid?: unknown };
  return isWechatId(appid) ? appid : undefined;
}
