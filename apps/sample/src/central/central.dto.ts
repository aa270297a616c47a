import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';

export class CodeQuery {
  @ApiProperty({
    description: 'What WeChat gave the client',
    example: '0a3bc0Ga1Xk1bL0lJ6Ha1qN2Sy0bc0Gx',
  })
  @Matches(/^[0-9A-Za-z_-]{1,128}$/, { message: 'code must be what WeChat gave' })
  code: string;
}

export class UserInfoQuery {
  @ApiPropertyOptional({
    enum: ['true', 'false'],
    default: 'false',
    description: 'true: from WeChat; false: as last known',
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'refresh must be true or false' })
  refresh?: string;
}

/** Who asks, and whether all is there, OpenDataGuard has looked at already. */
export class OpenDataDto {
  @ApiPropertyOptional({
    description: 'The token; Authorization: Bearer … takes it too',
    example: 'srd_dGhpcyBpcyBhbiBleGFtcGxlLCBub3QgYSB0b2tlbiE',
  })
  @IsOptional()
  @IsString()
  sessionkey?: string;

  @ApiProperty({
    description: 'base64',
    example: 'CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS…',
  })
  @IsString()
  encryptedData: string;

  @ApiProperty({ description: 'base64, 16 bytes', example: 'r7BXXKkLb8qrSNn05n0qiA==' })
  @IsString()
  iv: string;
}

/** Existing clients put base64 into the URL as it is, where `+` means a space. base64 has none, so each was a plus. */
export class OpenDataQuery extends OpenDataDto {
  @Transform(({ value }) => withPluses(value))
  override encryptedData: string;

  @Transform(({ value }) => withPluses(value))
  override iv: string;
}

function withPluses(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll(' ', '+') : value;
}

export class UserInfoAnswer {
  @ApiProperty()
  openId: string;

  @ApiProperty()
  nickname: string;

  @ApiProperty({ description: '1 male, 2 female, 0 unknown; WeChat tells 0 since 2021' })
  sex: number;

  @ApiProperty()
  province: string;

  @ApiProperty()
  city: string;

  @ApiProperty()
  country: string;

  @ApiProperty({
    description:
      'Empty where there is none. It dies when the user changes the picture, so copy it.',
  })
  avatar: string;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'null where the app is not bound to an open-platform account',
  })
  unionId: string | null;

  static readonly example = {
    openId: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
    nickname: 'Band',
    sex: 0,
    province: '',
    city: '',
    country: '',
    avatar: 'https://thirdwx.qlogo.cn/mmopen/vi_32/example/132',
    unionId: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
  };
}

/** One of the objects that WeChat encrypts, whichever it is. */
export class OpenDataAnswer {
  @ApiProperty({
    type: 'object',
    description: 'For which app WeChat made it, and when, in seconds since 1970',
    properties: { appid: { type: 'string' }, timestamp: { type: 'integer' } },
  })
  watermark: { appid: string; timestamp: number };

  static readonly example = {
    phoneNumber: '13580006666',
    purePhoneNumber: '13580006666',
    countryCode: '86',
    watermark: { appid: 'wx5a4db0c1e2f37608', timestamp: 1795161600 },
  };
}
