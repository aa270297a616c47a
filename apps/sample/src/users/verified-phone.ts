import type { WechatPhone } from 'nestjs-wechat';
import type { User } from './user.entity.js';

/** A phone number that WeChat has verified for a WeChat user, as an account stores it. */
export type VerifiedPhone = {
  [field in 'phoneNumber' | 'phoneE164' | 'phoneVerifiedAt']: NonNullable<User[field]>;
};

export function verifiedPhone(
  { phoneNumber, purePhoneNumber, countryCode }: WechatPhone,
  phoneVerifiedAt: Date,
): VerifiedPhone {
  const phoneE164 = `+${digitsOf(countryCode)}${digitsOf(purePhoneNumber)}`;
  return { phoneNumber, phoneE164, phoneVerifiedAt };
}

const digitsOf = (text: string): string => text.replace(/\D/g, '');
