import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  HttpCode,
  Ip,
  Param,
  Post,
  UseGuards,
} from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  CurrentSession,
  CurrentUser,
  SessionGuard,
  SessionRd,
  SessionService,
  WechatSessionError,
} from 'nestjs-wechat';
import type { WechatSession, WechatSessionInfo } from 'nestjs-wechat';
import { NotFoundError } from '../common/app-error.js';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import type { User } from '../users/user.entity.js';
import { UserView } from '../users/user.view.js';
import { UsersService } from '../users/users.service.js';
import {
  LogoutAllResponse,
  LoginResponse,
  LoginDto,
  RefreshResponse,
  SessionResponse,
  SessionInfoResponse,
} from './auth.dto.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly sessions: SessionService,
    private readonly users: UsersService,
    private readonly rateLimit: LoginRateLimit,
  ) {}

  @Post('login')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Log in with the code of wx.login',
    description:
      'Registers an unknown openid. If the request carries a session_rd, its session is revoked.',
  })
  @ApiEnvelope(LoginResponse)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_CODE',
    'ERR_WECHAT_APP',
    'ERR_WECHAT_BLOCKED',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async login(
    @Body() { code, appId }: LoginDto,
    @Ip() address: string,
    @SessionRd() replaces?: string,
  ): Promise<LoginResponse> {
    await this.rateLimit.count(address);
    const { session, ...issued } = await this.sessions.login(code, { appId, replaces });
    const { user, isNewUser } = await this.users.register(session);
    return { ...issued, isNewUser, user: UserView.of(user) };
  }

  /** Without SessionGuard: a replaced token must reach `refresh`, which detects its reuse and revokes the session. */
  @Post('refresh')
  @HttpCode(200)
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Get the next session_rd',
    description:
      'Other routes accept the replaced session_rd until the grace time ends. A retry with it and the same ' +
      'Idempotency-Key gets the same successor. A retry with another key, or without the key that the first ' +
      'request had, revokes the session.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Random, made by the client for this refresh and repeated with each retry of it',
    schema: { type: 'string', minLength: 1, maxLength: 128 },
    example: '9f86d081884c7d659a2feaa0c55ad015',
  })
  @ApiEnvelope(RefreshResponse)
  @ApiErrors('ERR_BAD_REQUEST', 'ERR_WECHAT_SESSION')
  async refresh(
    @SessionRd() previous = '',
    @Headers('idempotency-key') requestId?: string,
  ): Promise<RefreshResponse> {
    const { session_rd, expiresIn } = await this.sessions.refresh(previous, { requestId });
    return { session_rd, expiresIn };
  }

  @Get('session')
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'The session of this request' })
  @ApiEnvelope(SessionResponse)
  @ApiErrors('ERR_WECHAT_SESSION')
  session(
    @CurrentSession()
    { appId, openid, unionid, issuedAt, expiresAt, loginExpiresAt }: WechatSession,
  ): SessionResponse {
    return { appId, openid, unionid, issuedAt, expiresAt, loginExpiresAt };
  }

  @Get('sessions')
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'The live sessions of this user in this app' })
  @ApiEnvelope([SessionInfoResponse])
  @ApiErrors('ERR_WECHAT_SESSION')
  list(@CurrentSession() session: WechatSession): Promise<WechatSessionInfo[]> {
    return this.sessions.list(session);
  }

  @Delete('sessions/:id')
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Revoke one session of this user' })
  @ApiEnvelope(null)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND')
  async revoke(@CurrentSession() session: WechatSession, @Param('id') id: string): Promise<void> {
    await this.sessions.revokeById(session, id).catch(notFound);
  }

  /** Has no guard: if a thief has refreshed a copy of the token, the owner's token is not valid any more, but its session must end. */
  @Post('logout')
  @HttpCode(200)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Revoke this session' })
  @ApiEnvelope(null)
  @ApiErrors('ERR_WECHAT_SESSION')
  async logout(@SessionRd() sessionRd = ''): Promise<void> {
    try {
      await this.sessions.find(sessionRd);
    } finally {
      await this.sessions.revoke(sessionRd);
    }
  }

  @Post('logout-all')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({ summary: 'Revoke all sessions of this account, in all apps' })
  @ApiEnvelope(LogoutAllResponse)
  @ApiErrors('ERR_WECHAT_SESSION')
  async logoutAll(
    @CurrentSession() session: WechatSession,
    @CurrentUser() { id }: User,
  ): Promise<LogoutAllResponse> {
    const identities = (await this.users.findAccount(id))?.identities ?? [];
    const others = identities.filter(({ appId }) => appId !== session.appId);
    const counts = await Promise.all(others.map((identity) => this.sessions.revokeAll(identity)));
    counts.push(await this.sessions.revokeAll(session)); // last, so that the client can repeat a request that failed
    return { ended: counts.reduce((sum, count) => sum + count, 0) };
  }
}

/** The id is unknown or belongs to another user. The caller's own session is valid, so this is not a 401. */
function notFound(error: unknown): never {
  throw error instanceof WechatSessionError ? new NotFoundError() : error;
}
