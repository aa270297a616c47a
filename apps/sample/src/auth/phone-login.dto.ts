import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsNotEmpty, IsOptional, IsString, IsUrl, MaxLength } from 'class-validator';
import { IsNickName } from '../users/nick-name.js';
import { UserView } from '../users/user.view.js';

export class RegisterDto {
  @ApiProperty({
    description: 'From POST /auth/phone-login: in its 404, or beside `linked: false`',
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

  @ApiPropertyOptional({
    description:
      'true: take the number from the account that has it now. That account keeps everything else.',
    default: false,
  })
  @IsOptional()
  @IsBoolean({ message: 'takeOverNumber must be true or false' })
  takeOverNumber?: boolean;
}

export class TokenAnswer {
  @ApiProperty({ description: 'The app’s own token, for /account: Authorization: Bearer …' })
  token: string;

  @ApiProperty({ description: 'Seconds. The token ends earlier if its session is revoked.' })
  expiresIn: number;

  @ApiProperty()
  user: UserView;

  static readonly example = {
    token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjY291bnQrand0In0.…',
    expiresIn: 43_200,
    user: UserView.example,
  };
}

export class PhoneLoginAnswer extends TokenAnswer {
  @ApiProperty({
    description:
      'Whether this WeChat user belongs to the account. false: the token has scope `phone`, which reads the account and nothing else, for 30 minutes.',
  })
  linked: boolean;

  @ApiPropertyOptional({
    description:
      'Beside `linked: false`: for POST /auth/register with `takeOverNumber: true`, if the account is not the user’s.',
  })
  registrationTicket?: string;

  static override readonly example = { ...TokenAnswer.example, linked: true };
}
