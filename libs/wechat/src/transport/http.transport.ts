import { Injectable } from '@nestjs/common';
import type { OnApplicationShutdown } from '@nestjs/common';
import axios, { isAxiosError } from 'axios';
import type { AxiosInstance, AxiosResponse } from 'axios';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { inspect } from 'node:util';
import { safeCause } from '../error-cause.js';
import { TransportError } from './transport-error.js';
import type { TransportFailure } from './transport-error.js';

/**
 * What sends the requests to WeChat: the `HttpService` of `@nestjs/axios`, or an object with an axios instance.
 *
 * @example
 * ```ts
 * const http: WechatHttp = { axiosRef: axios.create({ httpsAgent: new HttpsProxyAgent('http://egress:3128') }) };
 * ```
 */
export interface WechatHttp {
  readonly axiosRef: AxiosInstance;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Scheme, host and port, such as `https://api.weixin.qq.com`. */
  baseUrl: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent byte for byte. Its `content-type` is one of the headers. */
  body?: Buffer;
  /** Milliseconds for the whole request: connection, headers and body. */
  timeoutMs: number;
  /** The largest accepted body of the response, in bytes after decompression. */
  maxBytes: number;
}

export interface HttpResponse {
  /** Any status. A redirect is a response too. */
  status: number;
  /** Names are lower-case. */
  headers: Record<string, string>;
  body: Buffer;
}

/** The longest timer of Node, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The codes of a connection that was not made: refused, unknown host, no route. Nothing was sent. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Sends one HTTP request, once. It follows no redirect, because a redirect would carry the secrets of the request to another
 * host, and it ignores the proxy variables of the environment.
 */
@Injectable()
export class HttpTransport implements OnApplicationShutdown {
  private readonly agents = {
    httpAgent: new HttpAgent({ keepAlive: true }),
    httpsAgent: new HttpsAgent({ keepAlive: true }),
  };

  private readonly http: AxiosInstance;

  /** @param http default: an own instance, because interceptors that the application adds to axios see the secrets of the requests */
  constructor(http?: WechatHttp) {
    // oxlint-disable-next-line import/no-named-as-default-member -- older versions of axios have no named export for it
    this.http = http?.axiosRef ?? axios.create(this.agents);
  }

  onApplicationShutdown(): void {
    this.agents.httpAgent.destroy();
    this.agents.httpsAgent.destroy();
  }

  /**
   * Sends a request and returns its response, also if the status is an error.
   * @throws TransportError if there is no complete response
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), clamp(request.timeoutMs));
    try {
      const response = await this.http.request<Buffer>({
        method: request.method,
        baseURL: request.baseUrl,
        url: request.path,
        params: request.query,
        headers: request.headers,
        data: request.body,
        signal: deadline.signal,
        timeout: 0, // the signal also ends a body that drips
        maxContentLength: request.maxBytes,
        maxRedirects: 0,
        proxy: false,
        responseType: 'arraybuffer',
        transformRequest: [],
        transformResponse: [],
        validateStatus: null, // every status is a response
      });
      return { status: response.status, headers: headersOf(response), body: response.data };
    } catch (error) {
      throw transportErrorOf(error, request.timeoutMs);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hides the agents, because their sockets contain the URLs of requests. */
  [inspect.custom](): string {
    return 'HttpTransport {}';
  }

  toJSON(): object {
    return {};
  }
}

function clamp(timeoutMs: number): number {
  return Math.ceil(Math.min(Math.max(timeoutMs, 1), MAX_TIMER_MS));
}

function headersOf({ headers }: AxiosResponse): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
}

/** Converts an error of axios. That error contains the URL, which can contain a secret, so only its safe fields become the cause. */
function transportErrorOf(error: unknown, timeoutMs: number): TransportError {
  const code = isAxiosError(error) ? (error.code ?? '') : '';
  const cause = isAxiosError(error) ? safeCause(error.cause, code) : undefined;
  const failed = (failure: TransportFailure, text: string): TransportError =>
    new TransportError(failure, text, { cause });
  if (code === 'ERR_CANCELED')
    return failed(
      'timeout',
      timeoutMs > 0
        ? `no complete response within ${Math.round(timeoutMs)} ms`
        : 'no time was left until the deadline',
    );
  if (UNSENT.has(code) || neverConnected(error))
    return failed('unsent', `no connection (${code || 'unknown cause'})`);
  if (isTooLarge(error)) return failed('too-large', 'the response is too large');
  if (/^(HPE_|Z_)/.test(code)) return failed('malformed', `the response is malformed (${code})`);
  return failed('lost', `the connection broke (${code || 'unknown cause'})`);
}

/** Reads the message, because axios uses one code for a body over the limit and for a truncated body. */
function isTooLarge(error: unknown): boolean {
  return error instanceof Error && error.message.includes('maxContentLength');
}

/** Returns whether the connection was reset before or during the TLS handshake. */
function neverConnected(error: unknown): boolean {
  const { request } = error as {
    request?: { socket?: { connecting?: boolean; secureConnecting?: boolean } };
  };
  return request?.socket?.connecting === true || request?.socket?.secureConnecting === true;
}
