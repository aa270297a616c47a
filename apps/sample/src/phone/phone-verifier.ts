import { Injectable } from '@nestjs/common';
import { PhoneService, WechatClock } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { verifiedPhone } from '../users/verified-phone.js';
import type { VerifiedPhone } from '../users/verified-phone.js';
import type { PhoneDto } from './phone.dto.js';

/** Gets the phone number of a session's WeChat user from WeChat. A number in a request body is never used. */
@Injectable()
export class PhoneVerifier {
  constructor(
    private readonly phones: PhoneService,
    private readonly clock: WechatClock,
  ) {}

  async verify(
    session: WechatSession,
    { code, encryptedData = '', iv = '' }: PhoneDto,
  ): Promise<VerifiedPhone> {
    const { appId, openid } = session;
    const phone = code
      ? await this.phones.getByCode(code, { appId, openid })
      : await this.phones.decrypt(session, { encryptedData, iv });
    return verifiedPhone(phone, new Date(this.clock.now()));
  }
}
