import { Injectable, Logger } from '@nestjs/common';
import type { StreamableFile } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import { In, Repository } from 'typeorm';
import type { EntityManager } from 'typeorm';
import { AccountDeletedError, NotFoundError } from '../common/app-error.js';
import { pageOf } from '../common/page.js';
import type { PageDto } from '../common/page.js';
import { AppConfig } from '../config.js';
import { CheckLimit } from '../content/check-limit.js';
import { ContentBlockedError } from '../content/content.errors.js';
import type { Content, ContentStatus } from '../content/content.entity.js';
import { Contents } from '../content/contents.js';
import type { ContentHolder } from '../content/contents.js';
import type { FileIndex, IndexedFile } from '../files/file-index.js';
import { FileStorage } from '../files/file-storage.js';
import { receiveUpload } from '../files/multipart.js';
import { redirectOrSend } from '../files/send-file.js';
import { FileMissingError } from '../files/storage-errors.js';
import type { StoredFiles } from '../files/stored-files.js';
import { Uploads } from '../files/uploads.js';
import type { User } from '../users/user.entity.js';
import { AUDIO_TYPES, readAudio } from './audio.js';
import type { AudioFormat } from './audio.js';
import { checkQuota, insertWithinQuota } from './recording-quota.js';
import type { Usage } from './recording-quota.js';
import { Recording } from './recording.entity.js';
import { describeDifferences, readReportedValues } from './reported-values.js';

const MAX_BYTES = 20 * 1024 * 1024;
/** WeChat checks files of at most 10 MB, and no m4a. */
const MAX_CHECKED_BYTES = 10 * 1024 * 1024;
const RECORDINGS_ON_A_PAGE = 200;

/**
 * `SKIP LOCKED`: two calls that delete the recordings of one user take different pages. A Date has no microseconds, so the millisecond of `$2`
 * is included.
 */
export const DELETE_PAGE = `
  DELETE FROM recordings WHERE id IN (
    SELECT id FROM recordings WHERE user_id = $1 AND created_at < $2::timestamptz + interval '1 millisecond'
    ORDER BY created_at LIMIT 200 FOR UPDATE SKIP LOCKED)
  RETURNING id`;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const PAGE_OF_INDEX = `
  SELECT id AS name, missing_since IS NOT NULL AS "isMissing", created_at > now() - interval '1 hour' AS "isNew"
  FROM recordings WHERE id > $1 ORDER BY id LIMIT $2`;

const MARK_MISSING =
  'UPDATE recordings SET missing_since = now() WHERE id = ANY($1) AND missing_since IS NULL';
const MARK_PRESENT =
  'UPDATE recordings SET missing_since = NULL WHERE id = ANY($1) AND missing_since IS NOT NULL';

/** Recorded audio (录音): a file and its row. Another user's recording is 404. */
@Injectable()
export class RecordingsService implements FileIndex, ContentHolder {
  private readonly files: StoredFiles;
  private readonly allowed: Usage;
  private readonly logger = new Logger(RecordingsService.name);

  constructor(
    @InjectRepository(Recording) private readonly rows: Repository<Recording>,
    private readonly uploads: Uploads,
    private readonly contents: Contents,
    private readonly limit: CheckLimit,
    storage: FileStorage,
    { uploadQuota, uploadMaxFiles }: AppConfig,
  ) {
    this.allowed = { bytes: uploadQuota, files: uploadMaxFiles };
    this.files = storage.add('recordings', this);
    contents.hold('recording', this);
  }

  add(user: User, request: FastifyRequest): Promise<Recording> {
    return this.uploads.inTurn(user.id, request, () => this.receive(user, request));
  }

  private async receive(user: User, request: FastifyRequest): Promise<Recording> {
    const { id: userId } = user;
    const { uploads, allowed } = this;
    const check = async (): Promise<void> => {
      await checkQuota(this.rows.manager, userId, allowed, 1);
      await this.limit.countFile(user);
    };
    const upload = { uploads, maxBytes: MAX_BYTES, check };
    const { file, fields } = await receiveUpload(request, upload);
    const { reported, ...audio } = await uploads.scratch.inspect(file, async () => ({
      reported: readReportedValues(fields),
      ...(await readAudio(file)),
    }));
    const recording = this.rows.create({ id: randomUUID(), userId, fileSize: file.size, ...audio });
    for (const difference of describeDifferences(reported, recording))
      this.logger.warn(`A client reported wrong values for a recording: ${difference}.`);
    return this.files.save(file, recording.id, (beforeCommit) =>
      this.insert(recording, user, beforeCommit),
    );
  }

  /**
   * Recordings whose file is missing are in the list, so that their owner can delete them.
   * @throws BadRequestError if `before` is not a recording of the user
   */
  list({ id: userId }: User, page: PageDto): Promise<Recording[]> {
    return pageOf(this.rows, userId, page, RECORDINGS_ON_A_PAGE);
  }

  /** @throws NotFoundError, or FileMissingError if the row is marked and the file is not back */
  async find(user: User, id: string): Promise<Recording> {
    const recording = await this.findRow(user, id);
    if (recording.missingSince === null) return recording;
    if (!(await this.files.has(id))) throw new FileMissingError();
    await this.markPresent(this.rows.manager, [id]);
    return recording;
  }

  /** The statuses by the ids of the recordings. */
  statusesOf(recordings: Recording[]): Promise<Map<string | null, ContentStatus>> {
    return this.contents.statusesOf(recordings.map(({ id }) => id));
  }

  /** @throws NotFoundError, ContentBlockedError, or FileMissingError if there is no file */
  async send(reply: FastifyReply, user: User, recordingId: string): Promise<StreamableFile> {
    const recording = await this.find(user, recordingId);
    const status = (await this.statusesOf([recording])).get(recording.id);
    if (status === 'blocked') throw new ContentBlockedError();
    return this.sendAudio(reply, recording);
  }

  /** @throws FileMissingError */
  async sendAudio(reply: FastifyReply, { id, format }: Recording): Promise<StreamableFile> {
    const file = await this.files.open(id);
    if (!file) throw new FileMissingError();
    return redirectOrSend(reply, file, {
      name: `${id}.${format}`,
      type: AUDIO_TYPES[format],
      maxAge: 0,
    });
  }

  async open({ recordingId, extension }: Content): ReturnType<ContentHolder['open']> {
    const file = recordingId === null ? undefined : await this.files.open(recordingId);
    return file && { file, type: AUDIO_TYPES[extension as AudioFormat] };
  }

  /** A blocked recording stays until its owner deletes it. No status needs other rows. */
  async decided(): Promise<string[]> {
    return [];
  }

  async remove(ids: string[]): Promise<void> {
    await this.files.remove(ids);
  }

  /** Deletes the row first. A file without a row cannot be reached, and moves to the trash if this is interrupted. */
  async delete({ id: userId }: User, id: string): Promise<void> {
    const { affected } = await this.rows.delete({ id, userId });
    if (!affected) throw new NotFoundError();
    await this.files.remove([id]);
  }

  /**
   * Deletes the recordings of a user in pages, so that no other request waits for thousands of rows or files.
   * @param until by the clock of the database. Recordings that were added later stay
   */
  async deleteAll(user: User, until: Date | 'infinity' = 'infinity'): Promise<void> {
    const [page] = await this.rows.query<[Pick<Recording, 'id'>[], number]>(DELETE_PAGE, [
      user.id,
      until,
    ]);
    if (page.length === 0) return;
    await this.remove(page.map(({ id }) => id));
    return this.deleteAll(user, until);
  }

  page(db: EntityManager, after: string, limit: number): Promise<IndexedFile[]> {
    return db.query(PAGE_OF_INDEX, [after === '' ? FIRST_ID : after, limit]);
  }

  async existing(db: EntityManager, names: string[]): Promise<string[]> {
    const ids = names.filter((name) => UUID.test(name));
    const rows = await db.find(Recording, { select: { id: true }, where: { id: In(ids) } });
    return rows.map(({ id }) => id);
  }

  async markMissing(db: EntityManager, ids: string[]): Promise<void> {
    if (ids.length > 0) await db.query(MARK_MISSING, [ids]);
  }

  async markPresent(db: EntityManager, ids: string[]): Promise<void> {
    if (ids.length > 0) await db.query(MARK_PRESENT, [ids]);
  }

  private async findRow({ id: userId }: User, id: string): Promise<Recording> {
    const recording = await this.rows.findOneBy({ id, userId });
    if (!recording) throw new NotFoundError();
    return recording;
  }

  private async insert(
    recording: Recording,
    user: User,
    beforeCommit: () => void,
  ): Promise<Recording> {
    const { id, format, fileSize } = recording;
    const content = {
      kind: 'recording',
      file: id,
      recordingId: id,
      extension: format,
      isCheckable: format !== 'm4a' && fileSize <= MAX_CHECKED_BYTES,
    } as const;
    const { rows, allowed } = this;
    const inserted = await insertWithinQuota(rows.manager, recording, allowed, async (db) => {
      await this.contents.add(db, { ...content, user });
      beforeCommit();
    });
    if (!inserted) throw new AccountDeletedError(); // the account was deleted while the file was received
    return recording;
  }
}
