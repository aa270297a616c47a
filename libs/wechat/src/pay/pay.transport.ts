import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { callChannel, retryChannel, traced } from '../diagnostics.js';
import type { WechatCall } from '../diagnostics.js';
import { MinuteLog } from '../minute-log.js';
import { CircuitBreaker } from '../transport/circuit-breaker.js';
import { HttpTransport } from '../transport/http.transport.js';
import type { HttpResponse } from '../transport/http.transport.js';
import { withRetries } from '../transport/retry.js';
import { TransportError } from '../transport/transport-error.js';
import { WechatConfigError, WechatUnavailableError } from '../wechat.errors.js';
import { isOpenidRefused, payErrorFor } from './pay-error.js';
import { endpointOf, refusalOf } from './pay-response.js';
import { PAY_BASE_URL, ResolvedPayOptions } from './pay.options.js';
import { newNonce, nowInSeconds, requestText, signText } from './pay.signature.js';

/**
 * A call of any API of WeChat Pay v3.
 *
 * @experimental
 * @example
 * ```ts
 * const call: PayCall = { method: 'POST', path: '/v3/pay/transactions/native', body: { … } };
 * ```
 */
export interface PayCall {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Such as `/v3/pay/transactions/native`. Encode what is not your own text: `encodeURIComponent(number)`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** The key that encrypted sensitive fields, from `encrypt`. @default the first public key */
  serial?: string;
  /** Whether the call may be repeated after a lost response. @default true for GET only */
  idempotent?: boolean;
  /** @internal On `performance.now()`. The calls of one operation share a deadline. */
  deadline?: number;
}

/** What differs between an API call and the download of a bill. */
export interface PayCallLimits {
  origin: string;
  /** Milliseconds for the call, its retries included. */
  timeoutMs: number;
  maxBytes: number;
}

/** WeChat Pay's second host, used if no connection to the first can be made. */
const SPARE_BASE_URL = 'https://api2.mch.weixin.qq.com';
const MAX_JSON_BYTES = 1024 * 1024;
const MAX_RETRIES = 2;
/** So that a lost response leaves time for a retry. */
const ATTEMPT_SHARE = 0.4;
const MAX_BREAKERS = 100;

/** Signs and sends every call of WeChat Pay, and maps a refusal to an error. It does not verify responses: that is for PayKeys. */
@Injectable()
export class PayTransport {
  /** `refused` after WeChat Pay refused the credentials, until it accepts a call. */
  credentials: 'ok' | 'refused' = 'ok';
  private readonly logger = new Logger('WechatPay');
  private readonly minuteLog = new MinuteLog('WechatPay');
  private readonly breakers = new LRUCache<string, CircuitBreaker>({ max: MAX_BREAKERS });

  constructor(
    private readonly http: HttpTransport,
    private readonly options: ResolvedPayOptions,
  ) {}

  /** When an operation that starts now must end, on `performance.now()`. Calls of one operation share it. */
  deadline(): number {
    return performance.now() + this.options.timeoutMs;
  }

  /**
   * Returns a response with status 200 or 204. Its signature is not verified yet.
   * @throws WechatError for any other status and for no response
   */
  async send(call: PayCall, limits: PayCallLimits = this.apiLimits): Promise<HttpResponse> {
    const traceable: WechatCall = { endpoint: endpointOf(call.path) };
    return traced(callChannel, traceable, async () => {
      try {
        const response = await this.breakerOf(traceable.endpoint).execute(() =>
          this.sendWithRetries(call, traceable, limits),
        );
        this.credentials = 'ok';
        return response;
      } catch (error) {
        throw this.report(error, traceable);
      }
    });
  }

  private get apiLimits(): PayCallLimits {
    const { baseUrl, timeoutMs } = this.options;
    return { origin: baseUrl, timeoutMs, maxBytes: MAX_JSON_BYTES };
  }

  private sendWithRetries(
    call: PayCall,
    traceable: WechatCall,
    { origin, timeoutMs, maxBytes }: PayCallLimits,
  ): Promise<HttpResponse> {
    const deadline = call.deadline ?? performance.now() + timeoutMs;
    const body = call.body === undefined ? '' : JSON.stringify(call.body);
    const mayRepeat = call.idempotent ?? call.method === 'GET';
    let baseUrl = origin;
    const sendOnce = (): Promise<HttpResponse> => {
      const leftMs = deadline - performance.now();
      const limits = { origin: baseUrl, timeoutMs: Math.min(leftMs, timeoutMs * ATTEMPT_SHARE) };
      return this.sendOnce(call, body, { ...limits, maxBytes });
    };
    const delayMs = (error: Error, attempts: number): number | undefined =>
      attempts <= MAX_RETRIES && (isUnsent(error) || (mayRepeat && isLost(error)))
        ? 100 * attempts * (1 + Math.random())
        : undefined;
    const onRetry = (error: Error): void => {
      if (isUnsent(error) && baseUrl === PAY_BASE_URL) baseUrl = SPARE_BASE_URL;
      retryChannel.publish({ call: traceable, error: toWechatError(error, traceable) });
    };
    return withRetries(sendOnce, { delayMs, deadline, onRetry });
  }

  private async sendOnce(
    { method, path, query, serial }: PayCall,
    body: string,
    { origin: baseUrl, ...limits }: PayCallLimits,
  ): Promise<HttpResponse> {
    const url = query ? `${path}?${new URLSearchParams(query).toString()}` : path;
    const response = await this.http.send({
      method,
      baseUrl,
      path: url,
      headers: {
        ...this.headersFor(serial, body),
        Authorization: await this.authorization(method, url, body),
      },
      body: body === '' ? undefined : Buffer.from(body),
      ...limits,
    });
    if (response.status === 200 || response.status === 204) return response;
    throw payErrorFor(refusalOf(response), endpointOf(path));
  }

  private headersFor(serial: string | undefined, body: string): Record<string, string> {
    const [publicKeyId] = this.options.publicKeys.keys();
    const verifier = serial ?? publicKeyId;
    return {
      Accept: 'application/json',
      'User-Agent': 'nestjs-wechat',
      ...(body !== '' && { 'Content-Type': 'application/json' }),
      ...(verifier !== undefined && { 'Wechatpay-Serial': verifier }),
    };
  }

  private async authorization(method: string, url: string, body: string): Promise<string> {
    const { mchId, certificateSerial, privateKey } = this.options;
    const [nonce, timestamp] = [newNonce(), nowInSeconds()];
    const signature = await signText(requestText(method, url, timestamp, nonce, body), privateKey);
    return `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="${nonce}",signature="${signature}",timestamp="${timestamp}",serial_no="${certificateSerial}"`;
  }

  private breakerOf(endpoint: string): CircuitBreaker {
    const known = this.breakers.get(endpoint);
    if (known) return known;
    const breaker = new CircuitBreaker({
      isFailure: (error) => error instanceof TransportError,
      openError: () =>
        new WechatUnavailableError(
          'WeChat Pay does not respond, and the circuit breaker is open: one call at a time is sent until it responds.',
          { endpoint },
        ),
      onOpen: () => this.logger.error(`WeChat Pay does not respond to ${endpoint}.`),
      onClose: () => this.logger.log(`WeChat Pay responds to ${endpoint} again.`),
    });
    this.breakers.set(endpoint, breaker);
    return breaker;
  }

  /** Logs what only an operator can repair, once a minute. */
  private report(error: unknown, call: WechatCall): unknown {
    const reported = toWechatError(error, call);
    if (reported instanceof WechatConfigError) {
      this.minuteLog.error(reported.message, call.endpoint);
      if (!isOpenidRefused(reported)) this.credentials = 'refused';
    }
    return reported;
  }
}

/** Nothing was sent, so any call may be repeated. */
function isUnsent(error: Error): boolean {
  return error instanceof TransportError && error.failure === 'unsent';
}

/** WeChat Pay may have done the work. */
function isLost(error: Error): boolean {
  return error instanceof TransportError || error instanceof WechatUnavailableError;
}

function toWechatError(error: unknown, { endpoint }: WechatCall): unknown {
  return error instanceof TransportError
    ? new WechatUnavailableError(`WeChat Pay did not respond: ${error.message}.`, { endpoint })
    : error;
}
