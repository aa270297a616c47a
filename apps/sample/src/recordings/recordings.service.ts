import { Injectable, Logger } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { WechatSessionError } from 'nestjs-wechat';
import { randomUUID } from 'node:crypto';
import { Repository } from 'typeorm';
import { NotFoundError } from '../common/app-error.js';
import { isForeignKeyViolation } from '../database/database-errors.js';
import type { FileFolder } from '../files/file-folder.js';
import { receiveUpload } from '../files/multipart.js';
import { sendFile } from '../files/send-file.js';
import type { FileIndex } from '../files/sweep.js';
import { UploadFolders } from '../files/upload-folders.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES, readAudio } from './audio.js';
import { claimsIn, differences } from './claims.js';
import { Recording } from './recording.entity.js';

const MAX_BYTES = 20 * 1024 * 1024;

/** Recorded audio (录音): a file and its row, or neither. Another user's is not there. */
@Injectable()
export class RecordingsService implements FileIndex {
  private readonly folder: FileFolder;
  private readonly logger = new Logger(RecordingsService.name);

  constructor(
    @InjectRepository(Recording) private readonly rows: Repository<Recording>,
    folders: UploadFolders,
  ) {
    this.folder = folders.add('recordings', this);
  }

  async add({ id: userId }: User, request: FastifyRequest): Promise<Recording> {
    const { file, fields } = await receiveUpload(request, this.folder, MAX_BYTES);
    const { claims, ...audio } = await this.folder.check(file, async () => ({
      claims: claimsIn(fields),
      ...(await readAudio(file)),
    }));
    const recording = this.rows.create({ id: randomUUID(), userId, fileSize: file.size, ...audio });
    for (const difference of differences(claims, recording))
      this.logger.warn(`A client told of a recording: ${difference}.`);
    return this.folder.keep(file, recording.id, () => this.insert(recording));
  }

  list({ id: userId }: User): Promise<Recording[]> {
    return this.rows.find({ where: { userId }, order: { createdAt: 'DESC', id: 'ASC' } });
  }

  async find({ id: userId }: User, id: string): Promise<Recording> {
    const recording = await this.rows.findOneBy({ id, userId });
    if (!recording) throw new NotFoundError();
    return recording;
  }

  async send(reply: FastifyReply, user: User, recordingId: string): Promise<StreamableFile> {
    const { id, format } = await this.find(user, recordingId);
    const file = await this.folder.open(id);
    if (!file) throw new NotFoundError();
    return sendFile(reply, file, {
      name: `${id}.${format}`,
      type: AUDIO_TYPES[format],
      cacheControl: 'private, no-store',
    });
  }

  /** The row first: a file without a row is out of sight, and swept if this breaks off. */
  async remove({ id: userId }: User, id: string): Promise<void> {
    const { affected } = await this.rows.delete({ id, userId });
    if (!affected) throw new NotFoundError();
    await this.folder.remove(id);
  }

  /** For rows that are gone already. */
  async removeFiles(recordings: Pick<Recording, 'id'>[]): Promise<void> {
    await Promise.all(recordings.map(({ id }) => this.folder.remove(id)));
  }

  async names(): Promise<string[]> {
    return (await this.rows.find({ select: { id: true } })).map(({ id }) => id);
  }

  async forget(id: string): Promise<void> {
    await this.rows.delete({ id });
  }

  private async insert(recording: Recording): Promise<Recording> {
    try {
      await this.rows.insert(recording);
      return recording;
    } catch (error) {
      throw isForeignKeyViolation(error) ? new WechatSessionError() : error; // the account was deleted while the file came in
    }
  }
}
