import { Logger } from '@nestjs/common';
import { createWriteStream } from 'node:fs';
import { mkdir, opendir, rm, stat, statfs } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beginPart, endPart, isAbandoned } from './part-name.js';
import { storageErrorOf, StorageUnavailableError } from './storage-errors.js';

/** A file that is received and not stored yet. */
export interface PartFile {
  path: string;
  size: number;
}

/** Uploads stop here, so that the database and the log on the same disk keep working. */
const MIN_FREE_BYTES = 500 * 1024 * 1024;

/** The local folder for files that are being received. They are inspected there before they are stored, because that needs random access. */
export class Scratch {
  private readonly logger = new Logger(Scratch.name);

  constructor(readonly path: string) {}

  /** Creates the folder, and removes the parts of processes that have ended. */
  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    for await (const { name } of await opendir(this.path)) {
      const path = join(this.path, name);
      const written = await stat(path).catch(() => undefined); // another process has removed it
      if (written && isAbandoned(name, written.mtimeMs)) await rm(path, { force: true });
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
      const target = createWriteStream(path, { flags: 'wx' });
      await pipeline(source, target);
      return target.bytesWritten;
    });
  }

  /**
   * Creates a part. If `write` fails, nothing is left.
   * @param write writes the file and returns its size
   */
  async write(write: (path: string) => Promise<number>): Promise<PartFile> {
    const path = join(this.path, beginPart());
    try {
      return { path, size: await write(path) };
    } catch (error) {
      await this.discard({ path });
      throw storageErrorOf(error);
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
    endPart(basename(path));
  }
}
