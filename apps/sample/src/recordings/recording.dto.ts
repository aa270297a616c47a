import { Injectable } from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { isUUID } from 'class-validator';
import { NotFoundError } from '../common/app-error.js';
import type { ContentStatus } from '../content/content.entity.js';
import { AUDIO_TYPES } from './audio.js';
import type { AudioFormat } from './audio.js';
import type { Recording } from './recording.entity.js';

export class RecordingView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({
    enum: Object.keys(AUDIO_TYPES),
    description: 'Read from the content, like fileSize and duration',
  })
  format: AudioFormat;

  @ApiProperty({ description: 'Bytes' })
  fileSize: number;

  @ApiProperty({ description: 'Milliseconds' })
  duration: number;

  @ApiProperty({
    enum: ['checking', 'ok', 'review', 'blocked', 'unchecked'],
    description:
      'Only a recording that is ok can be shared. WeChat cannot check m4a and files over 10 MB: unchecked',
  })
  status: ContentStatus;

  @ApiProperty()
  createdAt: Date;

  static readonly example = {
    id: '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20',
    format: 'mp3',
    fileSize: 48_128,
    duration: 8020,
    status: 'ok',
    createdAt: '2026-11-20T08:00:00.000Z',
  };

  /** @param status without one the recording is not shared */
  static of(recording: Recording, status: ContentStatus = 'unchecked'): RecordingView {
    const { id, format, fileSize, duration, createdAt } = recording;
    return { id, format, fileSize, duration, status, createdAt };
  }
}

/** Refuses a text that is not an id with 404. PostgreSQL ignores the case of an id, and the storage does not. */
@Injectable()
export class RecordingIdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    if (!isUUID(id)) throw new NotFoundError();
    return id.toLowerCase();
  }
}

export class ShareView {
  @ApiProperty({ description: 'Below PUBLIC_URL; a path of this API if that is not set' })
  url: string;

  static readonly example = {
    url: 'https://api.example.com/shared/recordings/9f86d081884c7d659a2feaa0c55ad015',
  };
}
