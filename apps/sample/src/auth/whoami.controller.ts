import { Controller, Get, Req, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiTags,
} from '@nestjs/swagger';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import type { Account } from '../tokens/app-tokens.js';
import { CredentialGuard } from '../tokens/credential.guard.js';
import { User } from '../users/user.entity.js';

export class WhoamiView {
  @ApiProperty({ enum: ['session', 'jwt'], description: 'The kind of the credential' })
  via: 'session' | 'jwt';

  @ApiProperty({ format: 'uuid' })
  userId: string;

  @ApiPropertyOptional({ description: 'Only for a session' })
  openid?: string;

  static readonly example = {
    via: 'session',
    userId: '0d9c1c3e-6a55-4c3e-9a3a-0f6a8f2d7c11',
    openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE',
  };
}

/** The example of a Passport route: it takes a session or an app token. Routes that take one kind of token need no Passport. */
@ApiTags('auth')
@Controller('auth/whoami')
export class WhoamiController {
  @Get()
  @UseGuards(CredentialGuard('wechat-session', 'app-jwt'))
  @ApiBearerAuth()
  @ApiBearerAuth('app-jwt')
  @ApiOperation({ summary: 'Which account a session or an app token belongs to' })
  @ApiEnvelope(WhoamiView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_SCOPE', 'ERR_STORE_UNAVAILABLE')
  whoami(@Req() { user }: { user: User | Account }): WhoamiView {
    if (!(user instanceof User)) return { via: 'jwt', userId: user.user.id };
    return { via: 'session', userId: user.id, openid: user.identities[0]?.openid };
  }
}
