import { Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown } from '@nestjs/common';
import { bulkhead, isBulkheadRejectedError } from 'cockatiel';
import type { BulkheadPolicy } from 'cockatiel';
import type { FastifyRequest } from 'fastify';
import { setMaxListeners } from 'node:events';
import { TooManyRequestsError } from '../common/app-error.js';
import { FileStorage } from './file-storage.js';
import { Scratch } from './scratch.js';

/** How long uploads may continue after SIGTERM, in milliseconds. `app.ts` ends the process after nine seconds. */
const SHUTDOWN_GRACE_MS = 5000;
/** The number of uploads of one user that run at a time, and of those that wait with unread bodies. wx.uploadFile sends ten at once. */
const RUNNING_PER_USER = 4;
const WAITING_PER_USER = 100;

/** The uploads under way in this process: how many run, how much space they may take, and when they must end. */
@Injectable()
export class Uploads implements BeforeApplicationShutdown {
  /** Aborts uploads that are under way when the app closes. */
  readonly closing = new AbortController();
  private readonly turns = new Map<string, BulkheadPolicy>();
  /** The space that uploads under way may take, in bytes. */
  private reserved = 0;

  constructor(
    private readonly storage: FileStorage,
    readonly scratch: Scratch,
  ) {
    setMaxListeners(0, this.closing.signal); // one for each upload
  }

  beforeApplicationShutdown(): void {
    setTimeout(() => this.closing.abort(), SHUTDOWN_GRACE_MS).unref();
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
      throw new TooManyRequestsError(1000);
    } finally {
      if (turn.executionSlots === RUNNING_PER_USER) this.turns.delete(userId);
    }
  }

  /**
   * Reserves space for an upload, so that uploads at the same time do not fill the disk together.
   * @returns ends the reservation
   * @throws StorageUnavailableError if the store does not work, or if the local disk is full
   */
  async reserve(bytes: number): Promise<() => void> {
    await this.storage.mustWork();
    this.reserved += bytes;
    const release = (): void => void (this.reserved -= bytes);
    await this.scratch.checkFreeSpace(this.reserved).catch((error: unknown) => {
      release();
      throw error;
    });
    return release;
  }
}
