import { Injectable } from '@nestjs/common';
import { CryptoService, WechatDecryptError } from 'nestjs-wechat';
import type { WechatSession, WechatUserProfile } from 'nestjs-wechat';
import { BadRequestError } from '../common/app-error.js';
import type { User } from '../users/user.entity.js';
import type { Profile } from '../users/users.service.js';
import { AvatarsService } from '../avatars/avatars.service.js';
import type { ProfileDto } from './me.dto.js';

/**
 * Saves the profile that WeChat has signed and encrypted. The user comes from the session, never from decrypted data. The encrypted part shows
 * that the profile is recent and belongs to this app. The values come from `rawData`, because a client can change the first 16 bytes of the
 * encrypted part, such as the first letters of the name.
 */
@Injectable()
export class ProfileService {
  constructor(
    private readonly crypto: CryptoService,
    private readonly avatars: AvatarsService,
  ) {}

  async save(
    session: WechatSession,
    user: User,
    { rawData, signature, encryptedData, iv }: ProfileDto,
  ): Promise<User> {
    await this.crypto.verifyRawData(session, { rawData, signature });
    const { nickName } = await this.crypto.decryptOpenData<Partial<WechatUserProfile>>(session, {
      encryptedData,
      iv,
    });
    if (nickName === undefined) throw new WechatDecryptError(); // open data of this user, but not a profile
    return this.avatars.saveUser(user, profileFrom(parsed(rawData)));
  }
}

/** @throws BadRequestError if it is not a JSON object. WeChat signs nothing else, but an exception of the parser would be 500. */
function parsed(rawData: string): Partial<WechatUserProfile> {
  try {
    const profile: unknown = JSON.parse(rawData);
    if (typeof profile === 'object' && profile !== null) return profile;
  } catch {
    // refused below
  }
  throw new BadRequestError('rawData must be the profile that WeChat returned');
}

/** WeChat has changed its optional fields over the years, so each is checked. */
function profileFrom({
  nickName,
  avatarUrl,
  gender,
  country,
  province,
  city,
  language,
}: Partial<WechatUserProfile>): Profile {
  return {
    nickName: textOrNull(nickName),
    profileStale: false,
    nickNameCheckedAt: null, // WeChat has signed it
    avatarUrl: textOrNull(avatarUrl),
    gender: gender === 0 || gender === 1 || gender === 2 ? gender : null,
    country: textOrNull(country),
    province: textOrNull(province),
    city: textOrNull(city),
    language: textOrNull(language),
  };
}

/** Without control characters: PostgreSQL refuses NUL, and no name needs the others. */
function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value.replace(/\p{Cc}/gu, '').slice(0, 1024) : null;
}
