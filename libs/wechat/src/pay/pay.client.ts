import { Injectable, Logger } from '@nestjs/common';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { createHash, publicEncrypt, constants } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { inspect, promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { MinuteLog } from '../minute-log.js';
import { CircuitBreaker } from '../transport/circuit-breaker.js';
import { HttpTransport } from '../transport/http.transport.js';
import type { HttpResponse } from '../transport/http.transport.js';
import { withRetries } from '../transport/retry.js';
import { TransportError } from '../transport/transport-error.js';
import {
  WechatCallbackError,
  WechatConfigError,
  WechatError,
  WechatResponseError,
  WechatUnavailableError,
} from '../wechat.errors.js';
import { payErrorFor, requireThat } from './pay-error.js';
import type { PayRefusal } from './pay-error.js';
import { PAY_BASE_URL, ResolvedPayOptions } from './pay.options.js';
import {
  checkSignature,
  newNonce,
  nowInSeconds,
  readSignature,
  requestText,
  signText,
} from './pay.signature.js';
import { isObject } from './pay.types.js';
import { decryptCertificates, PlatformCertificates } from './platform-certificates.js';

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

/** WeChat Pay's second host, used if no connection to the first can be made. */
const SPARE_BASE_URL = 'https://api2.mch.weixin.qq.com';
const MAX_JSON_BYTES = 1024 * 1024;
const MAX_BILL_BYTES = 200 * 1024 * 1024;
/** A bill is large, so it gets this many times the time of a call. */
const BILL_SHARE = 24;
/** RSA-OAEP with SHA-1 and a 2048-bit key. */
const MAX_ENCRYPTED_BYTES = 214;
const MAX_RETRIES = 2;
/** So that a lost response leaves time for a retry. */
const ATTEMPT_SHARE = 0.4;
const MAX_BREAKERS = 100;
const CERTIFICATES_PATH = '/v3/certificates';
const ECHO_PATH = '/v3/security/echo';

/**
 * Signs calls of WeChat Pay v3 and verifies the responses. PaymentService and RefundService use it; every other API of WeChat Pay
 * is one `call` away.
 *
 * @experimental
 * @example
 * ```ts
 * const { code_url } = await pay.call<{ code_url: string }>({ method: 'POST', path: '/v3/pay/transactions/native', body });
 * ```
 */
@Injectable()
export class WechatPayClient implements OnApplicationBootstrap, OnApplicationShutdown {
  /**
   * `degraded` while no key verifies what WeChat Pay sends, after WeChat Pay refused the credentials, and after a verified
   * notification did not decrypt; until the next success of the same kind. Reading it calls nothing.
   */
  get state(): 'ok' | 'degraded' {
    const isOk = this.hasKey && this.credentials === 'ok' && this.decryption === 'ok';
    return isOk ? 'ok' : 'degraded';
  }

  private credentials: 'ok' | 'refused' = 'ok';
  private decryption: 'ok' | 'failed' = 'ok';
  private readonly logger = new Logger('WechatPay');
  private readonly minuteLog = new MinuteLog('WechatPay');
  private readonly certificates: PlatformCertificates;
  private readonly breakers = new LRUCache<string, CircuitBreaker>({ max: MAX_BREAKERS });

  /** @internal */
  constructor(
    private readonly http: HttpTransport,
    private readonly options: ResolvedPayOptions,
  ) {
    this.certificates = new PlatformCertificates(() => this.readCertificates());
  }

  /** The start does not wait for the certificates. */
  onApplicationBootstrap(): void {
    if (this.options.downloadsCertificates) void this.certificates.start();
  }

  onApplicationShutdown(): void {
    this.certificates.stop();
  }

  /** @internal Whether a notification whose signature is valid decrypts, which tells whether the APIv3 key is right. */
  reportDecryption(result: 'ok' | 'failed'): void {
    this.decryption = result;
  }

  /** @internal When an operation that starts now must end. Calls of one operation share it. */
  deadline(): number {
    return performance.now() + this.options.timeoutMs;
  }

  /**
   * Calls an API of WeChat Pay v3: signs the request, verifies the response, and maps a refusal to an error.
   *
   * @returns the response as WeChat Pay sent it; `undefined` for a 204
   * @throws WechatBadRequestError, WechatConfigError, WechatPayOrderPaidError, WechatPayOrderClosedError,
   *   WechatPayOrderConflictError, WechatPayRefundError, WechatRateLimitError, WechatResponseError, WechatUnavailableError.
   *   `payCode` is WeChat's word
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012081606
   */
  async call<T>(call: PayCall): Promise<T> {
    const response = await this.send(call);
    await this.verify(response, call.path);
    if (response.status === 204) return undefined as T;
    const json = parseJson(response.body);
    if (json === undefined) throw invalid('a response that is not JSON', call.path, response);
    return json as T;
  }

  /**
   * Encrypts a sensitive field, such as a name, with the newest key of WeChat Pay. Pass `serial` to `call`.
   *
   * @param text at most 214 bytes
   * @throws WechatBadRequestError if the text is longer; WechatUnavailableError while no key is known
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4013053264
   */
  encrypt(text: string): { ciphertext: string; serial: string } {
    requireThat(
      Buffer.byteLength(text) <= MAX_ENCRYPTED_BYTES,
      `the text to encrypt must have at most ${MAX_ENCRYPTED_BYTES} bytes`,
    );
    const [serial] = [...this.options.publicKeys.keys(), this.certificates.newestSerial];
    const key = serial === undefined ? undefined : this.knownKey(serial);
    if (serial === undefined || !key) throw noKey();
    const oaep = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' };
    return { ciphertext: publicEncrypt(oaep, Buffer.from(text)).toString('base64'), serial };
  }

  /**
   * Downloads a bill from the `download_url` of `/v3/bill/…`. The response has no signature, so pass the hash of that call.
   *
   * @param url its host must be WeChat Pay's, or the host of `api.baseUrl`
   * @param expected `hash_type` and `hash_value` of the bill, compared with the file after decompression
   * @returns the file, decompressed, at most 200 MB
   * @throws WechatBadRequestError for another host; WechatResponseError for another hash; WechatUnavailableError
   * @see https://pay.weixin.qq.com/doc/v3/merchant/4012071227
   */
  async download(
    url: string,
    { hashType = 'SHA1', hashValue }: { hashType?: string; hashValue?: string } = {},
  ): Promise<Buffer> {
    const target = URL.canParse(url) ? new URL(url) : undefined;
    requireThat(
      target !== undefined && this.isOwnHost(target),
      'url must be a download_url of WeChat Pay',
    );
    const path = target.pathname + target.search;
    const response = await this.exchange(
      { method: 'GET', path },
      {
        origin: target.origin,
        maxBytes: MAX_BILL_BYTES,
        timeoutMs: this.options.timeoutMs * BILL_SHARE,
      },
    );
    const file = await decompressed(response.body).catch(() => {
      throw invalid('a bill that cannot be decompressed', target.pathname, response);
    });
    if (hashValue !== undefined && hashOf(file, hashType) !== hashValue.toLowerCase())
      throw invalid('a bill with another hash', target.pathname, response);
    return file;
  }

  /**
   * Checks the credentials and WeChat Pay's key with one signed call that changes nothing.
   *
   * @returns the serial number or the id of the key that verified the response
   * @throws WechatConfigError with the reason, WechatUnavailableError, WechatResponseError
   */
  async check(): Promise<{ verifiedBy: string }> {
    const [publicKeyId] = this.options.publicKeys.keys();
    const call: PayCall =
      publicKeyId === undefined
        ? { method: 'GET', path: CERTIFICATES_PATH }
        : { method: 'POST', path: ECHO_PATH, body: { echo_message: 'nestjs-wechat' } };
    const response = await this.send(call);
    return { verifiedBy: await this.verify(response, call.path) };
  }

  /**
   * Verifies the signature of a message of WeChat Pay. The key is chosen by `Wechatpay-Serial`.
   * @returns the serial number or the id of the key
   * @throws WechatCallbackError, WechatUnavailableError while no key is known
   */
  async verifySignature(
    headers: Record<string, string | string[] | undefined>,
    body: Buffer,
  ): Promise<string> {
    const signature = readSignature(headers, Date.now());
    const { serial } = signature;
    const key = this.knownKey(serial) ?? (await this.keyOfUnknown(serial));
    if (!key && !this.hasKey) throw noKey();
    checkSignature(signature, body, key ?? unknownSerial());
    return serial;
  }

  /** The options hold the keys. */
  [inspect.custom](): string {
    return `WechatPayClient { mchId: '${this.options.mchId}' }`;
  }

  toJSON(): object {
    return { mchId: this.options.mchId };
  }

  private get hasKey(): boolean {
    return this.options.publicKeys.size > 0 || !this.certificates.isEmpty;
  }

  private knownKey(serial: string): KeyObject | undefined {
    return this.options.publicKeys.get(serial) ?? this.certificates.get(serial);
  }

  /** The id of a public key is never a certificate, so it causes no download. */
  private keyOfUnknown(serial: string): Promise<KeyObject | undefined> {
    return this.options.downloadsCertificates && /^[0-9A-F]{40}$/.test(serial)
      ? this.certificates.find(serial)
      : Promise.resolve(undefined);
  }

  private async verify(response: HttpResponse, path: string): Promise<string> {
    try {
      return await this.verifySignature(response.headers, response.body);
    } catch (error) {
      if (!(error instanceof WechatError) || error.code !== 'ERR_WECHAT_CALLBACK') throw error;
      throw invalid(`a response without a valid signature (${error.message})`, path, response);
    }
  }

  /** A successful response that is not verified yet, or the error of a refusal. */
  private send(call: PayCall): Promise<HttpResponse> {
    const { baseUrl, timeoutMs } = this.options;
    return this.exchange(call, { origin: baseUrl, maxBytes: MAX_JSON_BYTES, timeoutMs });
  }

  private exchange(
    call: PayCall,
    { origin, maxBytes, timeoutMs }: { origin: string; maxBytes: number; timeoutMs: number },
  ): Promise<HttpResponse> {
    const endpoint = endpointOf(call.path);
    const deadline = call.deadline ?? performance.now() + timeoutMs;
    const body = call.body === undefined ? '' : JSON.stringify(call.body);
    const mayRepeat = call.idempotent ?? call.method === 'GET';
    let baseUrl = origin;
    const attempt = (): Promise<HttpResponse> =>
      this.attempt(call, {
        baseUrl,
        body,
        timeoutMs: Math.min(deadline - performance.now(), timeoutMs * ATTEMPT_SHARE),
        maxBytes,
        endpoint,
      });
    const delayMs = (error: Error, attempts: number): number | undefined => {
      const isUnsent = error instanceof TransportError && error.failure === 'unsent';
      const isLost = error instanceof TransportError || error instanceof WechatUnavailableError;
      if (attempts > MAX_RETRIES || !(isUnsent || (mayRepeat && isLost))) return undefined;
      if (isUnsent && baseUrl === PAY_BASE_URL) baseUrl = SPARE_BASE_URL;
      return 100 * attempts * (1 + Math.random());
    };
    return this.breakerOf(endpoint)
      .execute(() => withRetries(attempt, { delayMs, deadline }))
      .then(
        (response) => {
          this.credentials = 'ok';
          return response;
        },
        (error: unknown) => {
          throw this.report(error, endpoint);
        },
      );
  }

  private async attempt(
    { method, path, query, serial }: PayCall,
    options: {
      baseUrl: string;
      body: string;
      timeoutMs: number;
      maxBytes: number;
      endpoint: string;
    },
  ): Promise<HttpResponse> {
    const url = query ? `${path}?${new URLSearchParams(query).toString()}` : path;
    const { baseUrl, body, timeoutMs, maxBytes, endpoint } = options;
    const response = await this.http.send({
      method,
      baseUrl,
      path: url,
      headers: {
        ...this.headersFor(serial, body),
        Authorization: await this.authorization(method, url, body),
      },
      body: body === '' ? undefined : Buffer.from(body),
      timeoutMs,
      maxBytes,
    });
    if (response.status === 200 || response.status === 204) return response;
    throw payErrorFor(refusalOf(response), endpoint);
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

  /** The certificates of a response verify that response, and the APIv3 key decrypts them. */
  private async readCertificates(): Promise<ReadonlyMap<string, KeyObject>> {
    const response = await this.send({ method: 'GET', path: CERTIFICATES_PATH }).catch(
      (error: unknown) => {
        throw hasNoCertificates(error) ? noCertificates() : error;
      },
    );
    const certificates = decryptCertificates(parseJson(response.body), this.options.apiV3Key);
    const signature = readSignature(response.headers, Date.now());
    const key =
      this.options.publicKeys.get(signature.serial) ?? certificates?.get(signature.serial);
    if (!certificates || !key)
      throw invalid('certificates of another shape', CERTIFICATES_PATH, response);
    checkSignature(signature, response.body, key);
    return certificates;
  }

  private isOwnHost({ origin, protocol, hostname }: URL): boolean {
    if (origin === new URL(this.options.baseUrl).origin) return true;
    return protocol === 'https:' && /^api2?\.mch\.weixin\.qq\.com$/.test(hostname);
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
  private report(error: unknown, endpoint: string): unknown {
    const reported =
      error instanceof TransportError
        ? new WechatUnavailableError(`WeChat Pay did not respond: ${error.message}.`, { endpoint })
        : error;
    if (reported instanceof WechatConfigError) {
      this.minuteLog.error(reported.message, endpoint);
      // The openid is the client's, so it says nothing about the merchant.
      if (reported.payCode !== 'OPENID_MISMATCH') this.credentials = 'refused';
    }
    return reported;
  }
}

/**
 * The path with `*` for what is not WeChat Pay's own word, for the breaker, logs and errors: they hold no order numbers.
 * `/v3/pay/transactions/out-trade-no/ORDER-1/close` is `/v3/pay/transactions/out-trade-no/*\/close`.
 */
export function endpointOf(path: string): string {
  const [bare = ''] = path.split('?');
  const segments = bare.split('/');
  const isNumber = (segment: string, i: number): boolean =>
    /(^|-)(id|no)$/.test(segments[i - 1] ?? '') || !/^([a-z-]*|v\d|h5)$/.test(segment);
  return segments.map((segment, i) => (isNumber(segment, i) ? '*' : segment)).join('/');
}

function refusalOf({ status, headers, body }: HttpResponse): PayRefusal {
  const json = parseJson(body);
  const { code, message, detail } = isObject(json) ? json : {};
  const field = isObject(detail) ? detail['field'] : undefined;
  const rid = requestIdOf(headers);
  return {
    status,
    code: typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : '',
    message: typeof message === 'string' ? message : '',
    field: typeof field === 'string' && /^[\w./[\]-]{1,64}$/.test(field) ? field : undefined,
    suffix: /-(\d+)$/.exec(rid ?? '')?.[1] ?? '',
    rid,
  };
}

/** A refusal is not signed, so its texts are checked before they reach an error or a log. */
function requestIdOf(headers: HttpResponse['headers']): string | undefined {
  const rid = headers['request-id'];
  return rid !== undefined && /^[\w.-]{1,128}$/.test(rid) ? rid : undefined;
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

export function invalid(
  what: string,
  path: string,
  { headers }: Pick<HttpResponse, 'headers'>,
): WechatResponseError {
  return new WechatResponseError(`WeChat Pay returned ${what}.`, {
    endpoint: endpointOf(path),
    rid: requestIdOf(headers),
  });
}

function hasNoCertificates(error: unknown): boolean {
  return error instanceof WechatError && error.payCode === 'RESOURCE_NOT_EXISTS';
}

function noCertificates(): WechatConfigError {
  return new WechatConfigError([
    'This merchant has no platform certificates: set WECHAT_PAY_PUBLIC_KEY and WECHAT_PAY_PUBLIC_KEY_ID',
  ]);
}

function noKey(): WechatUnavailableError {
  return new WechatUnavailableError(
    'No key of WeChat Pay is known yet: the platform certificates could not be read.',
  );
}

function unknownSerial(): never {
  throw new WechatCallbackError(
    'The message is not signed by WeChat Pay: Wechatpay-Serial is not the id of a known key.',
    401,
  );
}

const unzip = promisify(gunzip);

/** The file is compressed if the bill was requested with `tar_type=GZIP`. */
function decompressed(file: Buffer): Promise<Buffer> {
  const isGzip = file[0] === 0x1f && file[1] === 0x8b;
  return isGzip ? unzip(file, { maxOutputLength: MAX_BILL_BYTES }) : Promise.resolve(file);
}

function hashOf(file: Buffer, hashType: string): string {
  requireThat(/^(SHA1|SHA256)$/i.test(hashType), 'hashType must be SHA1 or SHA256');
  return createHash(hashType.toLowerCase()).update(file).digest('hex');
}
