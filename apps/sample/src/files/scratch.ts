import { Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { randomUUID } from 'node:crypto';
import { mkdir, open, opendir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { storageErrorOf, StorageUnavailableError } from './storage-errors.js';

/** A file that is received and not stored yet. */
export interface PartFile {
  path: string;
  size: number;
}

/** Uploads stop here, so that the database and the log on the same disk keep working. */
const MIN_FREE_BYTES = 500 * 1024 * 1024;

/**
 * Longer than any part waits between two writes, or until it is stored: a request has two minutes to arrive, and a picture waits for the
 * decoder for four minutes at most.
 */
const ABANDONED_MS = 600_000;
/** The name of the timer. */
export const PARTS_JOB = 'parts';

/** The local folder for files that are being received. They are inspected there before they are stored, because that needs random access. */
export class Scratch {
  private readonly logger = new Logger(Scratch.name);

  constructor(readonly path: string) {}

  /** Creates the folder, and removes abandoned parts. */
  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await this.removeAbandoned();
  }

  /**
   * Removes the parts of processes that have ended: nothing was written to them for ten minutes. Several instances may have the folder, and
   * in containers all of them can have one host name and process id, so only the time shows that a part is abandoned.
   */
  @Interval(PARTS_JOB, ABANDONED_MS)
  async removeAbandoned(): Promise<void> {
    try {
      const oldest = (await this.now()) - ABANDONED_MS;
      for await (const { name } of await opendir(this.path)) {
        const path = join(this.path, name);
        const written = await stat(path).catch(() => undefined); // another process has removed it
        if (written && written.mtimeMs < oldest) await rm(path, { force: true });
      }
    } catch (error) {
      this.logger.error(error);
    }
  }

  /**
   * @param bytes how much is going to be written
   * @throws StorageUnavailableError if the disk would have less than 500 MB left
   */
  async checkFreeSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.path).catch((error: unknown) => {
      throw storageErrorOf(error);
    });
    if (bavail * bsize - bytes >= MIN_FREE_BYTES) return;
    const reason = `${this.path}: less than 500 MB are free, so uploads are refused.`;
    throw new StorageUnavailableError({ reason, retryAfter: 60 });
  }

  /** Writes a stream to disk. If it fails, nothing is left. */
  receive(source: Readable): Promise<PartFile> {
    return this.write(async (path) => {
      const file = await open(path, 'wx'); // a pipeline that fails at once does not wait until its file is open
      const target = file.createWriteStream();
      await pipeline(source, target);
      return target.bytesWritten;
    });
  }

  /**
   * Creates a part. If `write` fails, nothing is left.
   * @param write writes the file and returns its size
   */
  async write(write: (path: string) => Promise<number>): Promise<PartFile> {
    const path = join(this.path, `${randomUUID()}.part`);
    try {
      return { path, size: await write(path) };
    } catch (error) {
      await this.discard({ path });
      throw storageErrorOf(error);
    }
  }

  /** Creates a part with a text for `use`, and removes it. */
  async withText<Result>(text: string, use: (part: PartFile) => Promise<Result>): Promise<Result> {
    const part = await this.write(async (path) => {
      await writeFile(path, text);
      return Buffer.byteLength(text);
    });
    try {
      return await use(part);
    } finally {
      await this.discard(part);
    }
  }

  /** Reads a part before it is stored. If `read` throws, the part is removed. */
  async inspect<Result>(part: PartFile, read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      await this.discard(part);
      throw storageErrorOf(error);
    }
  }

  async discard({ path }: Pick<PartFile, 'path'>): Promise<void> {
    await rm(path, { force: true }).catch((error: unknown) => this.logger.error(error));
  }

  /** The time of the file system, in milliseconds. That of a network volume can differ from the time of this machine. */
  private now(): Promise<number> {
    return this.withText('', async ({ path }) => (await stat(path)).mtimeMs);
  }
}
