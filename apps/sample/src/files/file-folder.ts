import { Logger } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UnavailableError } from '../common/app-error.js';

/** A file on disk that has no name yet: nobody but its receiver knows it. */
export interface PartFile {
  path: string;
  size: number;
}

const PART = '.part';

/**
 * A folder of files that are named by the database. A file gets its name when it is whole and on disk, and then its row; where that
 * fails, the file goes. What a crash leaves between the two is for `sweep`.
 */
export class FileFolder {
  /** False where `prepare` had to make it: what belongs in it lies elsewhere, on a volume that is not mounted for example. */
  isOld = false;
  private readonly logger = new Logger(FileFolder.name);

  constructor(readonly path: string) {}

  async prepare(): Promise<void> {
    this.isOld = (await mkdir(this.path, { recursive: true })) === undefined;
  }

  /** Writes a stream to disk. Nothing is left of one that breaks off. */
  async receive(source: Readable): Promise<PartFile> {
    const path = join(this.path, `${randomUUID()}${PART}`);
    const target = createWriteStream(path, { flags: 'wx' });
    try {
      await pipeline(source, target);
      return { path, size: target.bytesWritten };
    } catch (error) {
      await this.discard({ path });
      throw this.told(error);
    }
  }

  /** Gives a file its name, then its row. Where there is no row in the end, there is no file either. */
  async keep<Row>(part: PartFile, name: string, saveRow: () => Promise<Row>): Promise<Row> {
    try {
      await this.put(part, name);
      return await saveRow();
    } catch (error) {
      await this.discard(part);
      await this.remove(name);
      throw error;
    }
  }

  /** Looks into a file before it gets a name. One that is refused is discarded. */
  async check<Finding>(part: PartFile, look: () => Promise<Finding>): Promise<Finding> {
    try {
      return await look();
    } catch (error) {
      await this.discard(part);
      throw this.told(error);
    }
  }

  async discard({ path }: Pick<PartFile, 'path'>): Promise<void> {
    await rm(path, { force: true }).catch((error: unknown) => this.logger.error(error));
  }

  /** Never fails: the row is gone by now, and a file that stays is swept at the next start. */
  async remove(name: string): Promise<void> {
    await this.discard({ path: join(this.path, name) });
  }

  /** `undefined` where there is no such file. */
  async open(name: string): Promise<FileHandle | undefined> {
    try {
      return await open(join(this.path, name));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw this.told(error);
    }
  }

  list(): Promise<string[]> {
    return readdir(this.path);
  }

  /** When it was last written, in milliseconds; `undefined` where there is no such file. */
  async writtenAt(name: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.path, name))).mtimeMs;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Name and content survive a power cut, in this order. */
  private async put({ path }: PartFile, name: string): Promise<void> {
    try {
      await sync(path, 'r+'); // Windows syncs only what is open for writing
      await rename(path, join(this.path, name));
      if (process.platform !== 'win32') await sync(this.path, 'r'); // Windows cannot open a folder
    } catch (error) {
      throw this.told(error);
    }
  }

  /** A disk that is full or broken is no fault of the request: the same one may succeed later. */
  private told(error: unknown): unknown {
    const { code, syscall }: Partial<NodeJS.ErrnoException> = Object(error);
    if (syscall === undefined) return error;
    this.logger.error(`${this.path}: ${syscall} failed with ${code}`);
    return new UnavailableError('files cannot be stored now; try again later');
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

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
