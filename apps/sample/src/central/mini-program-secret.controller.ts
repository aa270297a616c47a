import { Body, Get, HttpCode, Ip, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { AccessTokenService, QrCodeService, SessionService } from 'nestjs-wechat';
import { LoginRateLimit } from '../common/rate-limit.module.js';
import { ApiErrors, ApiTextEnvelope } from '../docs/api-responses.decorator.js';
import { QrCodeDto } from '../common/qrcode.dto.js';
import { MiniProgramSecretGuard } from './app.guard.js';
import { CentralController } from './central.controller.js';
import { ApiSessionToken, SECRET_ERRORS, UPSTREAM_ERRORS } from './central.docs.js';
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
  @ApiErrors(
    ...SECRET_ERRORS,
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_CODE',
    'ERR_WECHAT_BLOCKED',
    ...UPSTREAM_ERRORS,
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
  @ApiTextEnvelope({ description: 'The current access token', example: '78_Wf1zGkQm…' })
  @ApiErrors(...SECRET_ERRORS, ...UPSTREAM_ERRORS)
  accessToken(@Param('appId') appId: string): Promise<string> {
    return this.accessTokens.get(appId);
  }

  @Post('qrcode/unlimited')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create a code that opens this mini program' })
  @ApiTextEnvelope({
    description: 'base64 of a JPEG, or of a PNG with isHyaline',
    example: '/9j/4AAQSkZJRgABAQ…',
  })
  @ApiErrors(
    ...SECRET_ERRORS,
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SCENE',
    'ERR_WECHAT_PAGE',
    ...UPSTREAM_ERRORS,
  )
  async qrCode(@Param('appId') appId: string, @Body() { ...code }: QrCodeDto): Promise<string> {
    return (await this.codes.getUnlimited({ ...code, appId })).data.toString('base64');
  }
}
