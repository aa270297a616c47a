import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { User } from './user.entity.js';

const TEXT = { type: String, nullable: true } as const;

/** An account as its user sees it. */
export class UserView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({
    ...TEXT,
    description: 'As WeChat returned it; null if the account has no number',
  })
  phoneNumber: string | null;

  @ApiProperty({ ...TEXT, description: 'The same in all apps of one open-platform account' })
  unionid: string | null;

  @ApiProperty(TEXT)
  nickName: string | null;

  @ApiProperty({
    ...TEXT,
    description:
      'WeChat’s address of a picture; /avatars/…, a path of this API, after PUT /me/avatar',
  })
  avatarUrl: string | null;

  @ApiProperty({
    type: Number,
    nullable: true,
    description: '0 unknown, 1 male, 2 female; WeChat returns 0 since 2021',
  })
  gender: number | null;

  @ApiProperty(TEXT)
  country: string | null;

  @ApiProperty(TEXT)
  province: string | null;

  @ApiProperty(TEXT)
  city: string | null;

  @ApiProperty(TEXT)
  language: string | null;

  @ApiPropertyOptional({
    description: 'true: WeChat has changed the profile; ask the user for name and picture again',
  })
  profileStale?: boolean;

  @ApiProperty()
  createdAt: Date;

  @ApiProperty()
  updatedAt: Date;

  static readonly example = {
    id: '0d9c1c3e-6a55-4c3e-9a3a-0f6a8f2d7c11',
    phoneNumber: '13580006666',
    unionid: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
    nickName: 'Band',
    avatarUrl: 'https://thirdwx.qlogo.cn/mmopen/vi_32/example/132',
    gender: 0,
    country: '',
    province: '',
    city: '',
    language: 'zh_CN',
    createdAt: '2026-11-20T08:00:00.000Z',
    updatedAt: '2026-11-20T08:00:00.000Z',
  };

  /** For a WeChat user whose identity does not belong to the account. */
  static withoutWechatIds(user: User): UserView {
    return Object.assign(UserView.of(user), { unionid: null });
  }

  /** Field by field, so that a column added later is not sent by accident. */
  static of(user: User): UserView {
    const {
      id,
      phoneNumber,
      unionid,
      nickName,
      avatarUrl,
      gender,
      country,
      province,
      city,
      language,
      profileStale,
      createdAt,
      updatedAt,
    } = user;
    return {
      id,
      phoneNumber,
      unionid,
      nickName,
      avatarUrl,
      gender,
      country,
      province,
      city,
      language,
      ...(profileStale && { profileStale }),
      createdAt,
      updatedAt,
    };
  }
}
