import { Injectable } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply } from 'fastify';
import { randomBytes } from 'node:crypto';
import { IsNull, Repository } from 'typeorm';
import { NotFoundError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import { Content } from '../content/content.entity.js';
import {
  ContentBlockedError,
  ContentCheckingError,
  ContentUnsupportedError,
} from '../content/content.errors.js';
import { FileMissingError } from '../files/storage-errors.js';
import type { User } from '../users/user.entity.js';
import { Recording } from './recording.entity.js';
import { RecordingsService } from './recordings.service.js';

/** Links to recordings. A link works for every client that has it, but only while its recording is `ok`. */
@Injectable()
export class Shares {
  constructor(
    @InjectRepository(Content) private readonly contents: Repository<Content>,
    @InjectRepository(Recording) private readonly rows: Repository<Recording>,
    private readonly recordings: RecordingsService,
    private readonly config: AppConfig,
  ) {}

  /**
   * Returns the link of a recording. It is the same each time.
   * @throws NotFoundError, FileMissingError, ContentBlockedError, ContentUnsupportedError, ContentCheckingError
   */
  async share(user: User, id: string): Promise<string> {
    const { id: recordingId } = await this.recordings.find(user, id);
    const content = await this.contents.findOneBy({ recordingId });
    if (content?.status === 'blocked') throw new ContentBlockedError();
    if (content?.status === 'unchecked') throw new ContentUnsupportedError();
    if (content?.status !== 'ok') throw new ContentCheckingError();
    const shareToken = randomBytes(16).toString('hex');
    await this.contents.update({ id: content.id, shareToken: IsNull() }, { shareToken });
    const shared = await this.contents.findOneByOrFail({ id: content.id });
    return `${this.config.publicUrl ?? ''}/shared/recordings/${shared.shareToken}`;
  }

  /** @throws NotFoundError, also if the file is missing: the client of a link learns nothing more */
  async send(reply: FastifyReply, shareToken: string): Promise<StreamableFile> {
    const content = await this.contents.findOneBy({ shareToken, status: 'ok' });
    const recording =
      content?.recordingId && (await this.rows.findOneBy({ id: content.recordingId }));
    if (!recording) throw new NotFoundError();
    return this.recordings.sendAudio(reply, recording).catch((error: unknown) => {
      throw error instanceof FileMissingError ? new NotFoundError() : error;
    });
  }
}
