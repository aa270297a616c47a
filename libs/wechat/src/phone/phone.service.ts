import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { CryptoService } from '../open-data/crypto.service.js';
import type { EncryptedOpenData } from '../open-data/open-data.js';
import { requireCode } from '../platform/wechat-text.js';
import type { WechatSession } from '../wechat-session.js';
import { WechatDecryptError, WechatResponseError } from '../wechat.errors.js';

/**
 * A phone number that WeChat has verified.
 *
 * @example
 * ```ts
 * const phone: WechatPhone = { phoneNumber: '13580006666', purePhoneNumber: '13580006666', countryCode: '86' };
 * ```
 */
export interface WechatPhone {
  /** As the user writes it. A number outside China starts with its country code. */
  phoneNumber: string;
  /** The number without its country code. */
  purePhoneNumber: string;
  /** Such as `'86'`. */
  countryCode: string;
}

const ENDPOINT = '/wxa/business/getuserphonenumber';

/**
 * Returns phone numbers of users that WeChat has verified.
 *
 * @example
 * ```ts
 * const { phoneNumber } = await phones.getByCode(code, { openid, appId });      // '13580006666'
 * ```
 */
@Injectable()
export class PhoneService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
    private readonly crypto: CryptoService,
  ) {}

  /**
   * Returns the phone number for a code of `<button open-type="getPhoneNumber">`. The code is valid once and for five minutes. It is
   * not a code of `wx.login`.
   *
   * @param options
   * @param options.openid the user; WeChat then refuses a code of another user
   * @param options.appId the mini program; the first one by default
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
   * @throws WechatBadRequestError, WechatCodeError, and what WechatApiClient.call throws
   */
  async getByCode(
    code: string,
    { openid, appId }: { openid?: string; appId?: string } = {},
  ): Promise<WechatPhone> {
    requireCode(code, 'the phone button');
    const app = await this.apps.require('mini-program', appId);
    const { phone_info: info } = await this.api.call({
      method: 'POST',
      path: ENDPOINT,
      body: { code, ...(openid && { openid }) },
      appId: app.appId,
    });
    const phone = phoneOf(info);
    if (!phone || watermarkOf(info) !== app.appId)
      throw new WechatResponseError('The response of WeChat has no valid phone number.', {
        endpoint: ENDPOINT,
      });
    return phone;
  }

  /**
   * Decrypts the phone number from the `encryptedData` of the phone button, which base libraries before 2.21.2 provide instead of a code.
   * @throws what CryptoService.decryptOpenData throws; WechatDecryptError also for open data that is not a phone number
   */
  async decrypt(session: WechatSession, data: EncryptedOpenData): Promise<WechatPhone> {
    const phone = phoneOf(await this.crypto.decryptOpenData(session, data));
    if (!phone) throw new WechatDecryptError();
    return phone;
  }
}

function phoneOf(info: unknown): WechatPhone | undefined {
  const { phoneNumber, purePhoneNumber, countryCode } = (info ?? {}) as Record<string, unknown>;
  const complete =
    isNumber(phoneNumber) && isNumber(purePhoneNumber) && isNumber(String(countryCode));
  return complete ? { phoneNumber, purePhoneNumber, countryCode: String(countryCode) } : undefined;
}

function isNumber(value: unknown): value is string {
  return typeof value === 'string' && /^\+?[\d -]{1,32}$/.test(value);
}

function watermarkOf(info: unknown): unknown {
  return (info as { watermark?: { appid?: unknown } }).watermark?.appid;
}
