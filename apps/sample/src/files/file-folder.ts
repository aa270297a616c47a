import { Logger } from '@nestjs/common';
import { createWriteStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat, statfs, utimes } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beginPart, endPart, isAbandoned, isPart } from './part-name.js';
import { StorageUnavailableError } from './storage-errors.js';

/** A file that is on disk under a temporary name. */
export interface PartFile {
  path: string;
  size: number;
}

/** Uploads stop here, so that the database and the log on the same disk keep working. */
const MIN_FREE_BYTES = 500 * 1024 * 1024;

/**
 * A folder of files that are named by the database. A file is written under a temporary name, synced, renamed, and then gets its row.
 * If the row cannot be written, the file is removed. After a crash between the two steps, `reconcile` finds the file.
 */
export class FileFolder {
  private readonly logger = new Logger(FileFolder.name);

  /**
   * @param path where the files are
   * @param trash where `moveToTrash` puts them; on the same file system
   */
  constructor(
    readonly path: string,
    readonly trash: string,
  ) {}

  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await mkdir(this.trash, { recursive: true });
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  /**
   * @param bytes how much is going to be written
   * @throws StorageUnavailableError if the disk would have less than 500 MB left
   */
  async checkFreeSpace(bytes: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.path).catch((error: unknown) => {
      throw this.storageError(error);
    });
    if (bavail * bsize - bytes >= MIN_FREE_BYTES) return;
    this.logger.error(`${this.path}: less than 500 MB are free, so uploads are refused.`);
    throw new StorageUnavailableError(undefined, { 'Retry-After': '60' });
  }

  /** Writes a stream to disk. If it fails, nothing is left. */
  receive(source: Readable): Promise<PartFile> {
    return this.writePart(async (path) => {
      const target = createWriteStream(path, { flags: 'wx' });
      await pipeline(source, target);
      return target.bytesWritten;
    });
  }

  /**
   * Creates a file under a temporary name. If `write` fails, nothing is left.
   * @param write writes the file and returns its size
   */
  async writePart(write: (path: string) => Promise<number>): Promise<PartFile> {
    const path = this.pathOf(beginPart());
    try {
      return { path, size: await write(path) };
    } catch (error) {
      await this.discard({ path });
      throw this.storageError(error);
    }
  }

  /** Reads a part before it gets its name. If `read` throws, the part is removed. */
  async inspect<Result>(part: PartFile, read: () => Promise<Result>): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      await this.discard(part);
      throw this.storageError(error);
    }
  }

  /** Gives a part its name, then saves its row. If that fails, the file is removed. */
  async store<Row>(part: PartFile, name: string, saveRow: () => Promise<Row>): Promise<Row> {
    try {
      await this.publish(part, name);
      return await saveRow();
    } catch (error) {
      await this.discard(part);
      await this.remove(name);
      throw error;
    }
  }

  async discard({ path }: Pick<PartFile, 'path'>): Promise<void> {
    await rm(path, { force: true }).catch((error: unknown) => this.logger.error(error));
    endPart(basename(path));
  }

  /** Never throws, because the row is already deleted. `reconcile` finds a file that could not be removed. */
  async remove(name: string): Promise<void> {
    await rm(this.pathOf(name), { force: true }).catch((error: unknown) =>
      this.logger.error(error),
    );
  }

  /** @returns `undefined` if the file does not exist */
  async open(name: string): Promise<FileHandle | undefined> {
    try {
      return await open(this.pathOf(name));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw this.storageError(error);
    }
  }

  async has(name: string): Promise<boolean> {
    return (await writtenAt(this.pathOf(name))) !== undefined;
  }

  /** The names of all files, parts included, in no order. */
  async *names(): AsyncGenerator<string> {
    for await (const entry of await opendir(this.path)) if (entry.isFile()) yield entry.name;
  }

  /** Removes the parts of processes that have ended. */
  async removeAbandonedParts(): Promise<void> {
    for await (const name of this.names()) {
      const time = isPart(name) ? await writtenAt(this.pathOf(name)) : undefined;
      if (time !== undefined && isAbandoned(name, time)) await this.remove(name);
    }
  }

  /** Whether a file was written before a time in milliseconds. */
  async isOlderThan(name: string, time: number): Promise<boolean> {
    return ((await writtenAt(this.pathOf(name))) ?? Infinity) < time;
  }

  /** The time of the file becomes the time at which it was moved. `emptyTrash` counts from it. */
  async moveToTrash(name: string): Promise<void> {
    const now = new Date();
    await utimes(this.pathOf(name), now, now);
    await rename(this.pathOf(name), join(this.trash, name));
  }

  /** @returns false if the trash does not have the file */
  async restoreFromTrash(name: string): Promise<boolean> {
    try {
      await rename(join(this.trash, name), this.pathOf(name));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** @param ageMs how long a file stays in the trash */
  async emptyTrash(ageMs: number): Promise<void> {
    for await (const { name } of await opendir(this.trash)) {
      const path = join(this.trash, name);
      if (((await writtenAt(path)) ?? Infinity) < Date.now() - ageMs)
        await rm(path, { force: true });
    }
  }

  /** Syncs the content, then the name, so that both survive a power cut. */
  private async publish({ path }: PartFile, name: string): Promise<void> {
    try {
      await sync(path, 'r+'); // Windows syncs only a file that is open for writing
      await rename(path, this.pathOf(name));
      endPart(basename(path));
      if (process.platform !== 'win32') await sync(this.path, 'r'); // Windows cannot open a folder
    } catch (error) {
      throw this.storageError(error);
    }
  }

  /** An error of the file system is 503, not 500: the same request may succeed later. Other errors are returned as they are. */
  private storageError(error: unknown): unknown {
    const { code, syscall }: Partial<NodeJS.ErrnoException> = Object(error);
    if (syscall === undefined) return error;
    this.logger.error(`${this.path}: ${syscall} failed with ${code}`);
    return new StorageUnavailableError();
  }
}

async function sync(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** In milliseconds; `undefined` if there is no such file. */
async function writtenAt(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
