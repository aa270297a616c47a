import { Controller, Delete, Get, Param, Post, Query, Req, Res, UseGuards } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';
import { PageDto } from '../common/page.js';
import { ApiEnvelope, ApiErrors, ApiStoredFile } from '../docs/api-responses.decorator.js';
import { TakesUpload } from '../files/multipart.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES } from './audio.js';
import type { Recording } from './recording.entity.js';
import { RecordingIdPipe, RecordingView } from './recording.dto.js';
import { RecordingsService } from './recordings.service.js';

const NUMBER = { type: 'string', pattern: '^\\d+(\\.\\d+)?$' };

@ApiTags('recordings')
@ApiBearerAuth()
@Controller('recordings')
@UseGuards(SessionGuard)
export class RecordingsController {
  constructor(private readonly recordings: RecordingsService) {}

  @Post()
  @TakesUpload({
    duration: { ...NUMBER, description: 'Milliseconds, as onStop reports', example: '8000' },
    fileSize: { ...NUMBER, description: 'Bytes, as onStop reports', example: '48128' },
  })
  @ApiOperation({
    summary: 'Upload a recording with wx.uploadFile',
    description: `mp3, m4a, aac (ADTS) or wav, by content; up to 20 MB and 10 minutes. The file's name and further fields are ignored.
      A user may keep UPLOAD_MAX_FILES recordings of UPLOAD_QUOTA bytes together; one more is 409.
      \`duration\` and \`fileSize\` are compared with the content. If they are far off, a line is logged. The response has the values of the content.`,
  })
  @ApiEnvelope(RecordingView, { status: 201 })
  @ApiErrors(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SESSION',
    'ERR_QUOTA',
    'TOO_LARGE',
    'WRONG_TYPE',
    'NO_ROOM',
    'ERR_WECHAT_RATE_LIMIT',
  )
  async add(@CurrentUser() user: User, @Req() request: FastifyRequest): Promise<RecordingView> {
    return this.view(await this.recordings.add(user, request));
  }

  @Get()
  @ApiOperation({ summary: 'My recordings, the newest first', description: '200 without `limit`.' })
  @ApiEnvelope([RecordingView])
  @ApiErrors('ERR_BAD_REQUEST', 'ERR_WECHAT_SESSION')
  async list(@CurrentUser() user: User, @Query() page: PageDto): Promise<RecordingView[]> {
    const recordings = await this.recordings.list(user, page);
    const statuses = await this.recordings.statusesOf(recordings);
    return recordings.map((one) => RecordingView.of(one, statuses.get(one.id)));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One of my recordings' })
  @ApiEnvelope(RecordingView)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND', 'ERR_FILE_MISSING')
  async one(
    @CurrentUser() user: User,
    @Param('id', RecordingIdPipe) id: string,
  ): Promise<RecordingView> {
    return this.view(await this.recordings.find(user, id));
  }

  @Get(':id/content')
  @ApiOperation({
    summary: 'The audio file',
    description:
      'Download it with wx.downloadFile, which can send the session. An audio element cannot. Range, If-Range and HEAD are supported.',
  })
  @ApiStoredFile(...Object.values(AUDIO_TYPES))
  @ApiErrors(
    'ERR_WECHAT_SESSION',
    'ERR_CONTENT_BLOCKED',
    'ERR_NOT_FOUND',
    'ERR_FILE_MISSING',
    'RANGE_OUTSIDE',
    'UNREADABLE',
  )
  content(
    @CurrentUser() user: User,
    @Param('id', RecordingIdPipe) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.recordings.send(reply, user, id);
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Delete one of my recordings' })
  @ApiEnvelope(null)
  @ApiErrors('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND')
  remove(@CurrentUser() user: User, @Param('id', RecordingIdPipe) id: string): Promise<void> {
    return this.recordings.delete(user, id);
  }

  private async view(recording: Recording): Promise<RecordingView> {
    const statuses = await this.recordings.statusesOf([recording]);
    return RecordingView.of(recording, statuses.get(recording.id));
  }
}
