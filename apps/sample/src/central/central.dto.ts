import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';

export class CodeQuery {
  @ApiProperty({
    description: 'The code that WeChat returned to the client',
    example: '0a3bc0Ga1Xk1bL0lJ6Ha1qN2Sy0bc0Gx',
  })
  @Matches(/^[0-9A-Za-z_-]{1,128}$/, { message: 'code must be a code of WeChat' })
  code: string;
}

export class UserInfoQuery {
  @ApiPropertyOptional({
    enum: ['true', 'false'],
    default: 'false',
    description: 'true: read from WeChat; false: the last known values',
  })
  @IsOptional()
  @IsIn(['true', 'false'], { message: 'refresh must be true or false' })
  refresh?: string;
}

/** OpenDataGuard has already checked the token and that the parameters are present. */
export class OpenDataDto {
  @ApiPropertyOptional({
    description: 'The token. It may also be in the header Authorization: Bearer …',
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

export class UserInfoResponse {
  @ApiProperty()
  openId: string;

  @ApiProperty()
  nickname: string;

  @ApiProperty({ description: '1 male, 2 female, 0 unknown. WeChat returns 0 since 2021' })
  sex: number;

  @ApiProperty()
  province: string;

  @ApiProperty()
  city: string;

  @ApiProperty()
  country: string;

  @ApiProperty({
    description:
      'Empty if the user has no picture. The URL stops working when the user changes the picture, so store a copy.',
  })
  avatar: string;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'null if the app is not bound to an open-platform account',
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

/** An object that WeChat encrypted. Its other fields depend on the kind of data. */
export class OpenDataResponse {
  @ApiProperty({
    type: 'object',
    description: 'The app for which WeChat encrypted it, and the time in seconds since 1970',
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
