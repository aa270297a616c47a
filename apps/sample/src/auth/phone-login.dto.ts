import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsNotEmpty, IsOptional, IsString, IsUrl, MaxLength } from 'class-validator';
import { IsNickName } from '../users/nick-name.js';
import { UserView } from '../users/user.view.js';

export class RegisterDto {
  @ApiProperty({
    description: 'From the 404 of POST /auth/phone-login',
    example: 'eyJhbGciOiJIUzI1NiIsInR5cCI6InJlZ2lzdHJhdGlvbitqd3QifQ.…',
  })
  @IsString({ message: 'registrationTicket must be text' })
  @IsNotEmpty({ message: 'registrationTicket is empty' })
  @MaxLength(2048, { message: 'registrationTicket is too long' })
  registrationTicket: string;

  @ApiPropertyOptional({ description: '1 to 64 characters', example: '小明' })
  @IsOptional()
  @IsNickName()
  nickName?: string;

  @ApiPropertyOptional({
    description:
      'A public address. What chooseAvatar gives is a file on the phone: send that one with PUT /me/avatar.',
    example: 'https://thirdwx.qlogo.cn/mmopen/vi_32/example/132',
  })
  @IsOptional()
  @IsUrl(
    { protocols: ['http', 'https'], require_protocol: true },
    { message: 'avatarUrl must be a public http(s) address' },
  )
  @MaxLength(1024, { message: 'avatarUrl is too long' })
  avatarUrl?: string;
}

export class TokenAnswer {
  @ApiProperty({ description: 'The app’s own login token, for /account: Authorization: Bearer …' })
  token: string;

  @ApiProperty({ description: 'Seconds. It ends earlier with the login that it came from.' })
  expiresIn: number;

  @ApiProperty()
  user: UserView;

  static readonly example = {
    token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjY291bnQrand0In0.…',
    expiresIn: 43_200,
    user: UserView.example,
  };
}
