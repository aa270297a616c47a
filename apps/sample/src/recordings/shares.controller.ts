import { Controller, Get, HttpCode, Param, Post, Res, UseGuards } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiHeader,
  ApiOperation,
  ApiProduces,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';
import { NotFoundError } from '../common/app-error.js';
import { ApiEnvelope, ApiErrors } from '../docs/api-responses.decorator.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES } from './audio.js';
import { RecordingIdPipe, ShareView } from './recording.dto.js';
import { Shares } from './shares.js';

const TOKEN = /^[0-9a-f]{32}$/;
const BINARY = { type: 'string', format: 'binary' };

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
    ...([
      'ERR_WECHAT_SESSION',
      'ERR_CONTENT_BLOCKED',
      'ERR_NOT_FOUND',
      'ERR_FILE_MISSING',
    ] as const),
    ...(['ERR_CONTENT_CHECKING', 'ERR_CONTENT_UNSUPPORTED'] as const),
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
  @ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' })
  @ApiProduces(...Object.values(AUDIO_TYPES))
  @ApiResponse({ status: 200, description: 'the whole file', schema: BINARY })
  @ApiResponse({ status: 206, description: 'the requested range', schema: BINARY })
  @ApiResponse({ status: 302, description: 'to the file in the bucket, with STORAGE_REDIRECT=on' })
  @ApiErrors('ERR_NOT_FOUND', 'RANGE_OUTSIDE', 'UNREADABLE')
  async shared(
    @Param('token') token: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    if (!TOKEN.test(token)) throw new NotFoundError();
    return this.shares.send(reply, token);
  }
}
