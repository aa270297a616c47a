import { Injectable, Logger, Module } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnModuleInit,
} from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { bulkhead, isBulkheadRejectedError } from 'cockatiel';
import type { BulkheadPolicy } from 'cockatiel';
import type { FastifyRequest } from 'fastify';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { TooManyRequestsError } from '../common/app-error.js';
import { AppConfig } from '../config.js';
import { FileFolder } from './file-folder.js';
import type { FileIndex } from './file-index.js';
import { checkFolderId } from './folder-id.js';
import type { Indexed } from './folder-id.js';
import { reconcile } from './reconcile.js';
import { StorageUnavailableError } from './storage-errors.js';

const DAY_MS = 86_400_000;
/** How long uploads may continue after SIGTERM, in milliseconds. `app.ts` ends the process after nine seconds. */
const SHUTDOWN_GRACE_MS = 5000;
const TRASH = 'trash';
/** The number of uploads of one user that run at a time, and of those that wait with unread bodies. wx.uploadFile sends ten at once. */
const RUNNING_PER_USER = 4;
const WAITING_PER_USER = 100;

/**
 * The folders inside UPLOAD_DIR. They exist before the first request, or the app does not start. They are reconciled with the database at
 * the start and then once a day, unless UPLOAD_DIR and the database do not belong together.
 */
@Injectable()
export class UploadFolders
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  /** Why files cannot be stored; `undefined` if they can. */
  problem: string | undefined;
  /** Aborts uploads that are under way when the app closes. */
  readonly closing = new AbortController();
  private readonly folders: Indexed[] = [];
  private readonly logger = new Logger(UploadFolders.name);
  private readonly stopping = new AbortController();
  private readonly turns = new Map<string, BulkheadPolicy>();
  /** The space that uploads under way may take, in bytes. */
  private reserved = 0;
  private reconciling = Promise.resolve();
  private timer: NodeJS.Timeout;

  constructor(
    private readonly config: AppConfig,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {
    setMaxListeners(0, this.closing.signal); // one for each upload
  }

  /** Call it in a constructor, so that the folder is known before the app starts. */
  add(name: string, index: FileIndex): FileFolder {
    const { uploadDir } = this.config;
    const folder = new FileFolder(join(uploadDir, name), join(uploadDir, TRASH, name));
    this.folders.push({ folder, index });
    return folder;
  }

  async onModuleInit(): Promise<void> {
    for (const { folder } of this.folders) await folder.create();
    this.problem = await checkFolderId(
      this.dataSource.manager,
      this.config.uploadDir,
      this.folders,
    );
    if (this.problem !== undefined) this.logger.error(this.problem);
  }

  onApplicationBootstrap(): void {
    const run = (): void => {
      this.reconciling = this.reconcile().catch((error: unknown) => this.logger.error(error));
    };
    run();
    this.timer = setInterval(run, DAY_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    setTimeout(() => this.closing.abort(), SHUTDOWN_GRACE_MS).unref();
    await this.reconciling;
  }

  async reconcile(): Promise<void> {
    if (this.problem !== undefined) return;
    const db = this.dataSource.manager;
    for (const { folder, index } of this.folders) {
      await reconcile({ folder, index, db, signal: this.stopping.signal });
      await folder.emptyTrash(this.config.uploadTrashAge);
    }
  }

  /**
   * Runs an upload of a user when fewer than four others of the user run. So one user cannot take the whole disk with uploads that never
   * end, nor all places of the decoder.
   * @throws TooManyRequestsError if too many wait already, and what `work` throws
   */
  async inTurn<Result>(
    userId: string,
    { raw }: FastifyRequest,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const turn = this.turns.get(userId) ?? bulkhead(RUNNING_PER_USER, WAITING_PER_USER);
    this.turns.set(userId, turn);
    try {
      return await turn.execute(work);
    } catch (error) {
      if (!isBulkheadRejectedError(error)) throw error;
      raw.resume(); // the client reads the response only after it has sent its request
      throw new TooManyRequestsError(1);
    } finally {
      if (turn.executionSlots === RUNNING_PER_USER) this.turns.delete(userId);
    }
  }

  /**
   * Reserves space for an upload, so that uploads at the same time do not fill the disk together.
   * @returns ends the reservation
   * @throws StorageUnavailableError if UPLOAD_DIR is not the folder of this database, or if its disk is full
   */
  async reserve(folder: FileFolder, bytes: number): Promise<() => void> {
    if (this.problem !== undefined)
      throw new StorageUnavailableError(undefined, { 'Retry-After': '60' });
    this.reserved += bytes;
    const release = (): void => void (this.reserved -= bytes);
    await folder.checkFreeSpace(this.reserved).catch((error: unknown) => {
      release();
      throw error;
    });
    return release;
  }
}

@Module({ providers: [UploadFolders], exports: [UploadFolders] })
export class FilesModule {}
