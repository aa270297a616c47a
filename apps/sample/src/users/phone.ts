import type { WechatPhone } from 'nestjs-wechat';
import type { User } from './user.entity.js';

/** A number that WeChat has verified, as an account keeps it. */
export type Phone = { [field in 'phoneNumber' | 'phoneE164']: NonNullable<User[field]> };

export function phoneOf({ phoneNumber, purePhoneNumber, countryCode }: WechatPhone): Phone {
  return { phoneNumber, phoneE164: `+${digitsOf(countryCode)}${digitsOf(purePhoneNumber)}` };
}

const digitsOf = (text: string): string => text.replace(/\D/g, '');
