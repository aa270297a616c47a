import { Body, Get, HttpCode, Ip, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { AccessTokenService, QrCodeService, SessionService } from 'nestjs-wechat';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { ApiFailures, ApiText } from '../docs/api-answer.decorator.js';
import { QrCodeDto } from '../common/qrcode.dto.js';
import { MiniProgramSecretGuard } from './app.guard.js';
import { CentralController } from './central.controller.js';
import { ApiSessionToken, SECRET_FAILURES, UPSTREAM_FAILURES } from './central.docs.js';
import { CodeQuery } from './central.dto.js';

/** The routes that need the app's secret. */
@ApiTags('central service: mini programs')
@ApiParam({ name: 'secret', description: 'AppSecret' })
@CentralController('wx/mini/v1/:appId/:secret')
@UseGuards(MiniProgramSecretGuard)
export class MiniProgramSecretController {
  constructor(
    private readonly sessions: SessionService,
    private readonly accessTokens: AccessTokenService,
    private readonly codes: QrCodeService,
    private readonly rateLimit: LoginRateLimit,
  ) {}

  @Get('code2Session')
  @ApiOperation({
    summary: 'Log in with the code of wx.login',
    description: 'The session_key stays on the server.',
  })
  @ApiSessionToken()
  @ApiFailures(
    ...SECRET_FAILURES,
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_CODE',
    'ERR_WECHAT_BLOCKED',
    ...UPSTREAM_FAILURES,
  )
  async code2Session(
    @Param('appId') appId: string,
    @Query() { code }: CodeQuery,
    @Ip() address: string,
  ): Promise<string> {
    await this.rateLimit.count(address);
    return (await this.sessions.login(code, { appId })).session_rd;
  }

  @Get('access_token')
  @ApiOperation({ summary: "WeChat's access token of this app, one for all callers" })
  @ApiText({ description: 'The current access token', example: '78_Wf1zGkQm…' })
  @ApiFailures(...SECRET_FAILURES, ...UPSTREAM_FAILURES)
  accessToken(@Param('appId') appId: string): Promise<string> {
    return this.accessTokens.get(appId);
  }

  @Post('qrcode/unlimited')
  @HttpCode(200)
  @ApiOperation({ summary: 'A code that opens this mini program' })
  @ApiText({
    description: 'base64 of a JPEG, or of a PNG with isHyaline',
    example: '/9j/4AAQSkZJRgABAQ…',
  })
  @ApiFailures(
    ...SECRET_FAILURES,
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SCENE',
    'ERR_WECHAT_PAGE',
    ...UPSTREAM_FAILURES,
  )
  async qrCode(@Param('appId') appId: string, @Body() { ...code }: QrCodeDto): Promise<string> {
    return (await this.codes.getUnlimited({ ...code, appId })).data.toString('base64');
  }
}
