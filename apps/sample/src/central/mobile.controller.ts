import { Get, Ip, Param, Query, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { MobileOAuthService } from 'nestjs-wechat';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import { MobileAppGuard, MobileSecretGuard } from './app.guard.js';
import { CentralController } from './central.controller.js';
import { ApiMobileToken, SECRET_ERRORS, TOKEN_ERRORS, UPSTREAM_ERRORS } from './central.docs.js';
import { CodeQuery, UserInfoResponse, UserInfoQuery } from './central.dto.js';
import { MobileLoginGuard } from './mobile-login.guard.js';

@ApiTags('central service: mobile apps and websites')
@CentralController('wx/v1/:appId')
export class MobileController {
  constructor(
    private readonly oauth: MobileOAuthService,
    private readonly rateLimit: LoginRateLimit,
  ) {}

  /** Existing clients use the misspelling `ouath2`. */
  @Get([':secret/oauth2', ':secret/ouath2'])
  @UseGuards(MobileSecretGuard)
  @ApiOperation({
    summary: 'Log in with an OAuth code',
    description: "WeChat's own tokens and the openId stay on the server.",
  })
  @ApiParam({ name: 'secret', description: 'AppSecret' })
  @ApiMobileToken()
  @ApiErrors(...SECRET_ERRORS, 'ERR_BAD_REQUEST', 'ERR_WECHAT_CODE', ...UPSTREAM_ERRORS)
  async login(
    @Param('appId') appId: string,
    @Query() { code }: CodeQuery,
    @Ip() address: string,
  ): Promise<string> {
    await this.rateLimit.count(address);
    return (await this.oauth.login(code, { appId })).token;
  }

  @Get(':token/userInfo')
  @UseGuards(MobileAppGuard, MobileLoginGuard)
  @ApiOperation({
    summary: "The user's name and picture",
    description: 'The first call of a login always reads from WeChat.',
  })
  @ApiParam({ name: 'appId' })
  @ApiEnvelope(UserInfoResponse)
  @ApiErrors(...TOKEN_ERRORS, ...UPSTREAM_ERRORS)
  async userInfo(
    @Param('token') token: string,
    @Query() { refresh }: UserInfoQuery,
  ): Promise<UserInfoResponse> {
    const info = await this.oauth.getUserInfo(token, { refresh: refresh === 'true' });
    return {
      openId: info.openid,
      nickname: info.nickName,
      sex: info.gender,
      province: info.province,
      city: info.city,
      country: info.country,
      avatar: info.avatarUrl ?? '',
      unionId: info.unionid ?? null,
    };
  }
}
