import type { Stats } from 'node:fs';
import { mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { inParallel } from '../common/in-parallel.js';
import type { ByteRange } from './byte-range.js';
import { FileStore, FOLDERS, isFileName } from './file-store.js';
import type { FileStat, ListedFile } from './file-store.js';
import type { PartFile } from './scratch.js';
import { sortedNames } from './sorted-names.js';
import { storageErrorOf } from './storage-errors.js';

/** How many files are read at the same time while a folder is listed. Node has four threads for this. */
const STATS_AT_ONCE = 8;

/** Files in a local folder, or on a volume that all instances share. */
export class FolderStore extends FileStore {
  readonly setting = 'UPLOAD_DIR';

  /** @param root the folder. Parts must be on the same file system */
  constructor(readonly root: string) {
    super();
  }

  async create(): Promise<void> {
    for (const folder of FOLDERS)
      for (const path of [folder, `trash/${folder}`])
        await mkdir(this.pathOf(path), { recursive: true });
  }

  /** Syncs the content, then the name, so that both survive a power cut. */
  put(key: string, part: PartFile): Promise<void> {
    return tryOn(async () => {
      await sync(part.path, 'r+'); // Windows syncs only a file that is open for writing
      await renameTo(part.path, this.pathOf(key));
    });
  }

  stat(key: string): Promise<FileStat | undefined> {
    return unlessMissing(async () => statOf(await stat(this.pathOf(key))));
  }

  read(key: string, range: Partial<ByteRange> = {}): Promise<Readable | undefined> {
    return unlessMissing(async () => {
      const file = await open(this.pathOf(key));
      return file.createReadStream({ start: range.start, end: range.end }); // it closes the file
    });
  }

  remove(key: string): Promise<void> {
    return tryOn(() => rm(this.pathOf(key), { force: true }));
  }

  async move(from: string, to: string): Promise<boolean> {
    const moved = await unlessMissing(async () => {
      const now = new Date(); // of this machine: if its clock is wrong, the file stays in the trash for a shorter or longer time
      await utimes(this.pathOf(from), now, now);
      await renameTo(this.pathOf(from), this.pathOf(to));
      return true;
    });
    return moved === true;
  }

  async *list(folder: string): AsyncGenerator<ListedFile[]> {
    try {
      for await (const names of sortedNames(this.pathOf(folder))) {
        const files = await inParallel(names.filter(isFileName), STATS_AT_ONCE, async (name) => {
          const known = await this.stat(`${folder}/${name}`);
          return known && { name, ...known };
        });
        yield files.filter((file) => file !== undefined); // the others were removed meanwhile
      }
    } catch (error) {
      throw storageErrorOf(error);
    }
  }

  private pathOf(key: string): string {
    return join(this.root, key);
  }
}

const statOf = ({ size, mtimeMs }: Stats): FileStat => ({ size, writtenAt: mtimeMs });

/** Renames a file, and syncs the new name. */
async function renameTo(from: string, to: string): Promise<void> {
  await rename(from, to);
  if (process.platform !== 'win32') await sync(dirname(to), 'r'); // Windows cannot open a folder
}

async function sync(path: string, flags: string): Promise<void> {
  const file = await open(path, flags);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function tryOn<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw storageErrorOf(error);
  }
}

/** @returns `undefined` if the file does not exist */
function unlessMissing<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  return tryOn(async () => {
    try {
      return await work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  });
}
