import { Body, Get, HttpCode, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiQuery, ApiTags } from '@nestjs/swagger';
import { CryptoService, CurrentSession } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { ApiEnvelope, ApiErrors, ApiTextEnvelope } from '../docs/api-responses.decorator.js';
import { MiniProgramGuard } from './app.guard.js';
import { CentralController } from './central.controller.js';
import { OPEN_DATA_ERRORS, TOKEN_ERRORS } from './central.docs.js';
import { OpenDataDto, OpenDataResponse } from './central.dto.js';
import { CentralSessionGuard, OpenDataGuard } from './central-session.guard.js';

/** The routes that need a token. */
@ApiTags('central service: mini programs')
@ApiBearerAuth()
@ApiParam({ name: 'appId' })
@CentralController('wx/mini/v1/:appId')
@UseGuards(MiniProgramGuard)
export class MiniProgramController {
  constructor(private readonly crypto: CryptoService) {}

  @Get('decode')
  @UseGuards(OpenDataGuard)
  @ApiOperation({
    summary: 'Decrypt open data',
    description: 'A space in base64 is read as a plus, because some clients do not encode it.',
  })
  @ApiEnvelope(OpenDataResponse)
  @ApiErrors(...TOKEN_ERRORS, OPEN_DATA_ERRORS, 'ERR_WECHAT_RATE_LIMIT')
  decodeQuery(
    @CurrentSession() session: WechatSession,
    @Query() openData: OpenDataDto,
  ): Promise<object> {
    return this.crypto.decryptOpenData(session, openData);
  }

  @Post('decode')
  @HttpCode(200)
  @UseGuards(OpenDataGuard)
  @ApiOperation({
    summary: 'Decrypt open data of the request body, which is not logged with the URL',
  })
  @ApiEnvelope(OpenDataResponse)
  @ApiErrors(...TOKEN_ERRORS, OPEN_DATA_ERRORS, 'ERR_WECHAT_RATE_LIMIT')
  decodeBody(
    @CurrentSession() session: WechatSession,
    @Body() openData: OpenDataDto,
  ): Promise<object> {
    return this.crypto.decryptOpenData(session, openData);
  }

  @Get('unionId')
  @UseGuards(CentralSessionGuard)
  @ApiQuery({
    name: 'token',
    required: false,
    description: 'It may also be in the header Authorization: Bearer …',
  })
  @ApiOperation({ summary: "The user's unionid" })
  @ApiTextEnvelope({
    description: 'null if the app is not bound to an open-platform account',
    nullable: true,
    example: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
  })
  @ApiErrors(...TOKEN_ERRORS)
  unionId(@CurrentSession() { unionid }: WechatSession): string | null {
    return unionid ?? null;
  }

  @Get('openId')
  @UseGuards(CentralSessionGuard)
  @ApiQuery({
    name: 'token',
    required: false,
    description: 'It may also be in the header Authorization: Bearer …',
  })
  @ApiOperation({ summary: "The user's openid in this mini program" })
  @ApiTextEnvelope({ description: 'openid', example: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE' })
  @ApiErrors(...TOKEN_ERRORS)
  openId(@CurrentSession() { openid }: WechatSession): string {
    return openid;
  }
}
