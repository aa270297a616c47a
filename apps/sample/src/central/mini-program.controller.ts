import { Body, Get, HttpCode, Post, Query, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiQuery, ApiTags } from '@nestjs/swagger';
import { CryptoService, CurrentSession } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { ApiAnswer, ApiFailures, ApiText } from '../docs/api-answer.decorator.js';
import { MiniProgramGuard } from './app.guard.js';
import { CentralController } from './central.controller.js';
import { OPEN_DATA_ERRORS, TOKEN_FAILURES } from './central.docs.js';
import { OpenDataAnswer, OpenDataDto, OpenDataQuery } from './central.dto.js';
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
    description: 'A plus that arrives as a space is taken for a plus.',
  })
  @ApiAnswer(OpenDataAnswer)
  @ApiFailures(...TOKEN_FAILURES, OPEN_DATA_ERRORS, 'ERR_WECHAT_RATE_LIMIT')
  decodeQuery(
    @CurrentSession() session: WechatSession,
    @Query() openData: OpenDataQuery,
  ): Promise<object> {
    return this.crypto.decryptOpenData(session, openData);
  }

  @Post('decode')
  @HttpCode(200)
  @UseGuards(OpenDataGuard)
  @ApiOperation({ summary: 'Decrypt open data, which then is in no URL' })
  @ApiAnswer(OpenDataAnswer)
  @ApiFailures(...TOKEN_FAILURES, OPEN_DATA_ERRORS, 'ERR_WECHAT_RATE_LIMIT')
  decodeBody(
    @CurrentSession() session: WechatSession,
    @Body() openData: OpenDataDto,
  ): Promise<object> {
    return this.crypto.decryptOpenData(session, openData);
  }

  @Get('unionId')
  @UseGuards(CentralSessionGuard)
  @ApiQuery({ name: 'token', required: false, description: 'Authorization: Bearer … takes it too' })
  @ApiOperation({ summary: "The user's unionid" })
  @ApiText({
    description: 'null where the app is not bound',
    nullable: true,
    example: 'ocMvos6NjeKLIBqg5Mr9QjxrP1FA',
  })
  @ApiFailures(...TOKEN_FAILURES)
  unionId(@CurrentSession() { unionid }: WechatSession): string | null {
    return unionid ?? null;
  }

  @Get('openId')
  @UseGuards(CentralSessionGuard)
  @ApiQuery({ name: 'token', required: false, description: 'Authorization: Bearer … takes it too' })
  @ApiOperation({ summary: "The user's openid in this mini program" })
  @ApiText({ description: 'openid', example: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE' })
  @ApiFailures(...TOKEN_FAILURES)
  openId(@CurrentSession() { openid }: WechatSession): string {
    return openid;
  }
}
