import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';
import { IsNickName } from '../users/nick-name.js';

/** The result of wx.getUserProfile, unchanged. */
export class ProfileDto {
  @ApiProperty({
    description: 'Exactly as WeChat returned it, because the signature covers its bytes',
    example: '{"nickName":"Band","gender":1,"language":"zh_CN",…}',
  })
  @IsString()
  rawData: string;

  @ApiProperty({
    description: 'sha1(rawData + session_key), 40 hex digits',
    example: '75e81ceda165f4ffa64f4068af58c64b8f54b88c',
  })
  @IsString()
  signature: string;

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

export class NickNameDto {
  @ApiPropertyOptional({
    description: '1 to 64 characters, from <input type="nickname">',
    example: '小明',
  })
  @IsOptional()
  @IsNickName()
  nickName?: string;
}
