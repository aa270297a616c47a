import { Controller, Delete, Get, Param, Post, Req, Res, UseGuards } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiHeader,
  ApiOperation,
  ApiProduces,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentUser, SessionGuard } from 'nestjs-wechat';
import { ApiAnswer, ApiFailures } from '../docs/api-answer.decorator.js';
import { TakesUpload } from '../files/multipart.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES } from './audio.js';
import { RecordingIdPipe, RecordingView } from './recording.dto.js';
import { RecordingsService } from './recordings.service.js';

const NUMBER = { type: 'string', pattern: '^\\d+(\\.\\d+)?$' };
const BINARY = { type: 'string', format: 'binary' };

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
    summary: 'Keep a recording, as wx.uploadFile sends it',
    description: `mp3, m4a, aac (ADTS) or wav, by content; up to 20 MB and 10 minutes. The file's name and further fields are ignored.
      A user may keep UPLOAD_MAX_FILES recordings of UPLOAD_QUOTA bytes together; one more is 409.
      \`duration\` and \`fileSize\` are compared with the content. If they are far off, a line is logged. The response has the values of the content.`,
  })
  @ApiAnswer(RecordingView, { status: 201 })
  @ApiFailures(
    'ERR_BAD_REQUEST',
    'ERR_WECHAT_SESSION',
    'ERR_QUOTA',
    'TOO_LARGE',
    'WRONG_TYPE',
    'NO_ROOM',
  )
  async add(@CurrentUser() user: User, @Req() request: FastifyRequest): Promise<RecordingView> {
    return RecordingView.of(await this.recordings.add(user, request));
  }

  @Get()
  @ApiOperation({ summary: 'My recordings, the newest first' })
  @ApiAnswer([RecordingView])
  @ApiFailures('ERR_WECHAT_SESSION')
  async list(@CurrentUser() user: User): Promise<RecordingView[]> {
    return (await this.recordings.list(user)).map((recording) => RecordingView.of(recording));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One of my recordings' })
  @ApiAnswer(RecordingView)
  @ApiFailures('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND', 'ERR_FILE_MISSING')
  async one(
    @CurrentUser() user: User,
    @Param('id', RecordingIdPipe) id: string,
  ): Promise<RecordingView> {
    return RecordingView.of(await this.recordings.find(user, id));
  }

  @Get(':id/content')
  @ApiOperation({
    summary: 'The sound',
    description:
      'Play it through wx.downloadFile, which sends the session; an audio element does not. Range, If-Range and HEAD are supported.',
  })
  @ApiHeader({ name: 'Range', required: false, example: 'bytes=0-1023' })
  @ApiProduces(...Object.values(AUDIO_TYPES))
  @ApiResponse({ status: 200, description: 'the whole file', schema: BINARY })
  @ApiResponse({ status: 206, description: 'the part that Range asks for', schema: BINARY })
  @ApiFailures('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND', 'ERR_FILE_MISSING', 'RANGE_OUTSIDE')
  content(
    @CurrentUser() user: User,
    @Param('id', RecordingIdPipe) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    return this.recordings.send(reply, user, id);
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Delete it' })
  @ApiAnswer(null)
  @ApiFailures('ERR_WECHAT_SESSION', 'ERR_NOT_FOUND')
  remove(@CurrentUser() user: User, @Param('id', RecordingIdPipe) id: string): Promise<void> {
    return this.recordings.remove(user, id);
  }
}
