import { Body, Controller, HttpCode, Ip, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentSession, CurrentUser, SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { PhoneDto } from '../phone/phone.dto.js';
import type { User } from '../users/user.entity.js';
import { PhoneLoginResponse, RegisterDto, TokenResponse } from './phone-login.dto.js';
import { PhoneLoginService } from './phone-login.service.js';

@ApiTags('auth')
@ApiBearerAuth()
@Controller('auth')
export class PhoneLoginController {
  constructor(
    private readonly phoneLogin: PhoneLoginService,
    private readonly rateLimit: LoginRateLimit,
  ) {}

  @Post('phone-login')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @ApiOperation({
    summary: 'Log in with the phone number that WeChat has verified',
    description:
      'Returns a token for the account that has the number. If no account has it, the 404 carries a ticket for POST /auth/register. `linked: false` means that the account may be another person’s: docs/account-linking.md.',
  })
  @ApiEnvelope(PhoneLoginResponse)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_DECRYPT',
    'ERR_WECHAT_SESSION',
    'ERR_WECHAT_CODE',
    'ERR_NOT_REGISTERED',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async login(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() phone: PhoneDto,
    @Ip() address: string,
  ): Promise<PhoneLoginResponse> {
    await this.rateLimit.count(address);
    return this.phoneLogin.login(session, user, phone);
  }

  @Post('register')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @ApiOperation({
    summary: 'Register with the ticket of a phone login',
    description:
      'The ticket works once, for ten minutes, for the user who got it. It sets the user’s phone number. If another account has the number: 409, or with `takeOverNumber` that account loses it.',
  })
  @ApiEnvelope(TokenResponse)
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_CONTENT_REFUSED',
    'ERR_WECHAT_SESSION',
    'ERR_NOT_FOUND',
    'ERR_PHONE_TAKEN',
    'ERR_WECHAT_NOT_VISITED',
    'ERR_WECHAT_UNAVAILABLE',
  )
  register(
    @CurrentSession() session: WechatSession,
    @CurrentUser() user: User,
    @Body() registration: RegisterDto,
  ): Promise<TokenResponse> {
    return this.phoneLogin.register(session, user, registration);
  }
}
