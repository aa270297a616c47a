import { Injectable } from '@nestjs/common';
import { constants, publicEncrypt } from 'node:crypto';
import { inspect } from 'node:util';
import type { HttpResponse } from '../transport/http.transport.js';
import { WechatCallbackError } from '../wechat.errors.js';
import { downloadBill } from './bill-download.js';
import { requireThat } from './pay-checks.js';
import { invalid, parseJson } from './pay-response.js';
import { CERTIFICATES_PATH, PayKeys } from './pay.keys.js';
import { ResolvedPayOptions } from './pay.options.js';
import { PayTransport } from './pay.transport.js';
import type { PayCall } from './pay.transport.js';

/** RSA-OAEP with SHA-1 and a 2048-bit key. */
const MAX_ENCRYPTED_BYTES = 214;
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
export class WechatPayClient {
  /** @internal */
  constructor(
    private readonly transport: PayTransport,
    private readonly keys: PayKeys,
    private readonly options: ResolvedPayOptions,
  ) {}

  /**
   * `degraded` while no key verifies what WeChat Pay sends, after WeChat Pay refused the credentials, and after a verified
   * notification did not decrypt; until the next success of the same kind. Reading it calls nothing.
   */
  get state(): 'ok' | 'degraded' {
    return this.transport.credentials === 'ok' ? this.keys.state : 'degraded';
  }

  /** @internal When an operation that starts now must end. Calls of one operation share it. */
  deadline(): number {
    return this.transport.deadline();
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
    const response = await this.transport.send(call);
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
    const { key, serial } = this.keys.newest();
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
  download(url: string, expected: { hashType?: string; hashValue?: string } = {}): Promise<Buffer> {
    return downloadBill(this.transport, this.options, url, expected);
  }

  /**
   * Checks the credentials and WeChat Pay's key with one signed call that changes nothing.
   *
   * @returns the serial number or the id of the key that verified the response
   * @throws WechatConfigError with the reason, WechatUnavailableError, WechatResponseError
   */
  async check(): Promise<{ verifiedBy: string }> {
    const call: PayCall =
      this.options.publicKeys.size === 0
        ? { method: 'GET', path: CERTIFICATES_PATH }
        : { method: 'POST', path: ECHO_PATH, body: { echo_message: 'nestjs-wechat' } };
    const response = await this.transport.send(call);
    return { verifiedBy: await this.verify(response, call.path) };
  }

  /** The options hold the keys. */
  [inspect.custom](): string {
    return `WechatPayClient { mchId: '${this.options.mchId}' }`;
  }

  toJSON(): object {
    return { mchId: this.options.mchId };
  }

  private async verify(response: HttpResponse, path: string): Promise<string> {
    try {
      return await this.keys.verify(response.headers, response.body);
    } catch (error) {
      if (!(error instanceof WechatCallbackError)) throw error;
      throw invalid(`a response without a valid signature (${error.message})`, path, response);
    }
  }
}
