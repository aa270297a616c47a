import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsNotEmpty, IsOptional, IsString, IsUrl, MaxLength } from 'class-validator';
import { IsNickName } from '../users/nick-name.js';
import { UserView } from '../users/user.view.js';

export class RegisterDto {
  @ApiProperty({
    description:
      'From POST /auth/phone-login: in its 404 response, or together with `linked: false`',
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
      'A public URL. The path that chooseAvatar returns is a file on the phone: upload it with PUT /me/avatar.',
    example: 'https://thirdwx.qlogo.cn/mmopen/vi_32/example/132',
  })
  @IsOptional()
  @IsUrl(
    { protocols: ['http', 'https'], require_protocol: true },
    { message: 'avatarUrl must be a public http(s) URL' },
  )
  @MaxLength(1024, { message: 'avatarUrl is too long' })
  avatarUrl?: string;

  @ApiPropertyOptional({
    description:
      'true: take the number from the account that has it now. That account loses its number and keeps all other data.',
    default: false,
  })
  @IsOptional()
  @IsBoolean({ message: 'takeOverNumber must be true or false' })
  takeOverNumber?: boolean;
}

export class TokenResponse {
  @ApiProperty({ description: 'The app’s own token, for /account: Authorization: Bearer …' })
  token: string;

  @ApiProperty({
    description: 'Seconds. The token becomes invalid earlier if its session is revoked.',
  })
  expiresIn: number;

  @ApiProperty()
  user: UserView;

  static readonly example = {
    token: 'eyJhbGciOiJIUzI1NiIsInR5cCI6ImFjY291bnQrand0In0.…',
    expiresIn: 43_200,
    user: UserView.example,
  };
}

export class PhoneLoginResponse extends TokenResponse {
  @ApiProperty({
    description:
      'Whether this WeChat user belongs to the account. false: the token has scope `phone`, which reads the account and nothing else, for 30 minutes.',
  })
  linked: boolean;

  @ApiPropertyOptional({
    description:
      'Only if `linked` is false. If the account belongs to another person, send it to POST /auth/register with `takeOverNumber: true`.',
  })
  registrationTicket?: string;

  static override readonly example = { ...TokenResponse.example, linked: true };
}
