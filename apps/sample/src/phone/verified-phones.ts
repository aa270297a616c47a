import { Injectable } from '@nestjs/common';
import { PhoneService } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { phoneOf } from '../users/phone.js';
import type { Phone } from '../users/phone.js';
import type { PhoneDto } from './phone.dto.js';

/** The number comes from WeChat and is this session's; the client's word is never taken for it. */
@Injectable()
export class VerifiedPhones {
  constructor(private readonly phones: PhoneService) {}

  async of(
    session: WechatSession,
    { code, encryptedData = '', iv = '' }: PhoneDto,
  ): Promise<Phone> {
    const { appId, openid } = session;
    return phoneOf(
      code
        ? await this.phones.getByCode(code, { appId, openid })
        : await this.phones.decrypt(session, { encryptedData, iv }),
    );
  }
}
