import { Injectable } from '@nestjs/common';
import type { PipeTransform } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { isUUID } from 'class-validator';
import { NotFoundError } from '../common/app-error.js';
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

  @ApiProperty()
  createdAt: Date;

  static readonly example = {
    id: '5b0f6b1c-7f0e-4c55-9a57-3f2c7f6a1d20',
    format: 'mp3',
    fileSize: 48_128,
    duration: 8020,
    createdAt: '2026-11-20T08:00:00.000Z',
  };

  static of({ id, format, fileSize, duration, createdAt }: Recording): RecordingView {
    return { id, format, fileSize, duration, createdAt };
  }
}

/** Refuses a text that is not an id with 404. */
@Injectable()
export class RecordingIdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    if (!isUUID(id)) throw new NotFoundError();
    return id;
  }
}
