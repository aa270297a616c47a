import { Controller, Get, HttpCode, Param, Post, Res, UseGuards } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';
import { NotFoundError } from '../common/app-error.js';
import { ApiEnvelope, ApiErrors, ApiStoredFile } from '../docs/api-responses.decorator.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES } from './audio.js';
import { RecordingIdPipe, ShareView } from './recording.dto.js';
import { Shares } from './shares.js';

const TOKEN = /^[0-9a-f]{32}$/;

@ApiTags('recordings')
@Controller()
export class SharesController {
  constructor(private readonly shares: Shares) {}

  @Post('recordings/:id/share')
  @HttpCode(200)
  @UseGuards(SessionGuard)
  @ApiBearerAuth()
  @ApiOperation({
    summary: 'Get the link of one of my recordings',
    description:
      'The link is the same each time. It works for everyone, while the recording is ok.',
  })
  @ApiEnvelope(ShareView)
  @ApiErrors(
    'ERR_WECHAT_SESSION',
    'ERR_CONTENT_BLOCKED',
    'ERR_NOT_FOUND',
    'ERR_FILE_MISSING',
    'ERR_CONTENT_CHECKING',
    'ERR_CONTENT_UNSUPPORTED',
  )
  async share(
    @CurrentUser() user: User,
    @Param('id', RecordingIdPipe) id: string,
  ): Promise<ShareView> {
    return { url: await this.shares.share(user, id) };
  }

  @Get('shared/recordings/:token')
  @ApiOperation({
    summary: 'A shared recording',
    description: 'Needs no session. Range, If-Range and HEAD are supported.',
  })
  @ApiStoredFile(...Object.values(AUDIO_TYPES))
  @ApiErrors('ERR_NOT_FOUND', 'RANGE_OUTSIDE', 'UNREADABLE')
  async shared(
    @Param('token') token: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    if (!TOKEN.test(token)) throw new NotFoundError();
    return this.shares.send(reply, token);
  }
}
