import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, Matches, ValidateIf } from 'class-validator';

const hasCode = ({ code }: PhoneDto): boolean => code !== undefined && code !== null;
const hasNoCode = (dto: PhoneDto): boolean => !hasCode(dto);

/** The result of the phone button. Its event has all three fields today. If the request has all three, the code is used. */
export class PhoneDto {
  @ApiPropertyOptional({
    description: 'e.detail.code of the phone button, which is not a code of wx.login',
    example: '8f7c4e1d2b9a…',
  })
  @ValidateIf(hasCode)
  @Matches(/^[0-9A-Za-z_-]{1,128}$/, { message: 'code must be the code of the phone button' })
  code?: string;

  @ApiPropertyOptional({ description: 'For clients without a code: base64' })
  @ValidateIf(hasNoCode)
  @IsString({ message: 'send code, or else encryptedData and iv' })
  encryptedData?: string;

  @ApiPropertyOptional({ description: 'base64, 16 bytes' })
  @ValidateIf(hasNoCode)
  @IsString({ message: 'iv must be text' })
  iv?: string;
}
