import { Body, Controller, HttpCode, Post, StreamableFile, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { CurrentSession, QrCodeService, SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { ApiFailures } from '../docs/api-answer.decorator.js';
import { QrCodeDto } from './qrcode.dto.js';

@ApiTags('qrcodes')
@ApiBearerAuth()
@Controller('qrcodes')
@UseGuards(SessionGuard)
export class QrCodesController {
  constructor(private readonly codes: QrCodeService) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'A code that opens the mini program of this session',
    description: 'Answers the image itself.',
  })
  @ApiProduces('image/jpeg', 'image/png')
  @ApiOkResponse({
    description: 'JPEG, or PNG with isHyaline',
    schema: { type: 'string', format: 'binary' },
  })
  @ApiFailures(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SCENE',
    'ERR_WECHAT_PAGE',
    'ERR_WECHAT_SESSION',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_RESPONSE',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async create(
    @CurrentSession() { appId }: WechatSession,
    @Body() { ...code }: QrCodeDto,
  ): Promise<StreamableFile> {
    const { data, contentType } = await this.codes.getUnlimited({ ...code, appId });
    return new StreamableFile(data, { type: contentType, length: data.length });
  }
}
