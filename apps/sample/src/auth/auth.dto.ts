import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { UserView } from '../users/user.view.js';

export class LoginDto {
  @ApiProperty({
    description: 'The code that wx.login returned',
    example: '0a3bc0Ga1Xk1bL0lJ6Ha1qN2Sy0bc0Gx',
  })
  @Matches(/^[0-9A-Za-z_-]{1,128}$/, { message: 'code must be a code of wx.login' })
  code: string;

  @ApiPropertyOptional({
    description: 'The mini program. Default: the first that is configured',
    example: 'wx5a4db0c1e2f37608',
  })
  @IsOptional()
  @Matches(/^[0-9A-Za-z_-]{1,64}$/, { message: 'appId must be an AppID (wx…)' })
  appId?: string;
}

const SESSION_RD = 'srd_dGhpcyBpcyBhbiBleGFtcGxlLCBub3QgYSB0b2tlbiE';

export class RefreshResponse {
  @ApiProperty({ description: 'Send it as Authorization: Bearer … or X-Session-Rd: …' })
  session_rd: string;

  @ApiProperty({ description: 'Seconds' })
  expiresIn: number;

  static readonly example = { session_rd: SESSION_RD, expiresIn: 1800 };
}

export class LoginResponse extends RefreshResponse {
  @ApiProperty({ description: 'Whether this login registered the user' })
  isNewUser: boolean;

  @ApiProperty()
  user: UserView;

  static override readonly example = {
    ...RefreshResponse.example,
    isNewUser: true,
    user: UserView.example,
  };
}

export class SessionResponse {
  @ApiProperty()
  appId: string;

  @ApiProperty()
  openid: string;

  @ApiPropertyOptional()
  unionid?: string;

  @ApiProperty({ description: 'When the user logged in' })
  issuedAt: Date;

  @ApiProperty({ description: 'When this session_rd expires unless it is refreshed' })
  expiresAt: Date;

  @ApiProperty({ description: 'When the session ends, even if it is refreshed' })
  loginExpiresAt: Date;

  static readonly example = {
    appId: 'wx5a4db0c1e2f37608',
    openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
    unionid: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
    issuedAt: '2026-11-20T08:00:00.000Z',
    expiresAt: '2026-11-20T08:30:00.000Z',
    loginExpiresAt: '2026-11-27T08:00:00.000Z',
  };
}

export class SessionInfoResponse {
  @ApiProperty({ description: 'For DELETE /auth/sessions/:id; not a token' })
  id: string;

  @ApiProperty()
  issuedAt: Date;

  @ApiProperty()
  refreshedAt: Date;

  @ApiProperty()
  expiresAt: Date;

  @ApiProperty({ description: 'Whether it is the session of this request' })
  current: boolean;

  static readonly example = {
    id: 'yI2pGJ1rGgqJ0Rj4hq0n5w',
    issuedAt: '2026-11-20T08:00:00.000Z',
    refreshedAt: '2026-11-20T08:20:00.000Z',
    expiresAt: '2026-11-20T08:50:00.000Z',
    current: true,
  };
}

export class LogoutAllResponse {
  @ApiProperty({ description: 'How many sessions were revoked' })
  ended: number;

  static readonly example = { ended: 2 };
}
