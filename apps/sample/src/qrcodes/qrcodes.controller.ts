import { Body, Controller, HttpCode, Post, StreamableFile, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { CurrentSession, QrCodeService, SessionGuard } from 'nestjs-wechat';
import type { WechatSession } from 'nestjs-wechat';
import { QrCodeDto } from '../common/qrcode.dto.js';
import { ApiErrors } from '../docs/api-responses.decorator.js';
import { QrCodeRateLimit } from './qrcode-rate-limit.js';

@ApiTags('qrcodes')
@ApiBearerAuth()
@Controller('qrcodes')
@UseGuards(SessionGuard)
export class QrCodesController {
  constructor(
    private readonly codes: QrCodeService,
    private readonly limit: QrCodeRateLimit,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Create a code that opens the mini program of this session',
    description:
      'Returns the image itself. A user can create QRCODE_RATE_LIMIT codes in a minute, 60 by default.',
  })
  @ApiProduces('image/jpeg', 'image/png')
  @ApiOkResponse({
    description: 'JPEG, or PNG with isHyaline',
    schema: { type: 'string', format: 'binary' },
  })
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SCENE',
    'ERR_WECHAT_PAGE',
    'ERR_WECHAT_SESSION',
    'ERR_WECHAT_RATE_LIMIT',
    'ERR_WECHAT_RESPONSE',
    'ERR_WECHAT_UNAVAILABLE',
  )
  async create(
    @CurrentSession() session: WechatSession,
    @Body() { ...code }: QrCodeDto,
  ): Promise<StreamableFile> {
    const { appId } = session;
    const { data, contentType } = await this.limit.run(session, () =>
      this.codes.getUnlimited({ ...code, appId }),
    );
    return new StreamableFile(data, { type: contentType, length: data.length });
  }
}
