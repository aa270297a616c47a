import { Logger } from '@nestjs/common';
import type { Readable } from 'node:stream';
import { inParallel } from '../common/in-parallel.js';
import { isDatabaseUnavailable } from '../database/database-errors.js';
import type { ByteRange } from './byte-range.js';
import type { FileIndex } from './file-index.js';
import type { FileStore, Folder, Presentation } from './file-store.js';
import type { PartFile, Scratch } from './scratch.js';
import { FileMissingError } from './storage-errors.js';

/** How many files are removed at the same time. More would wait in the thread pool of Node, and other requests would wait behind them. */
const REMOVED_AT_ONCE = 8;

/** A file of the store, ready to be sent. */
export interface StoredFile {
  /** Bytes. */
  size: number;
  /** @throws FileMissingError if it has been removed meanwhile */
  read: (range?: ByteRange) => Promise<Readable>;
  /** @returns `undefined` if clients download from the app */
  addressFor: (presentation: Presentation) => Promise<string | undefined>;
}

/**
 * The files of one folder of the store, which are named by rows of the database. A file is stored before its row is written. If the row
 * is refused, the file is removed. After a crash between the two steps, the sweep finds the file.
 */
export class StoredFiles {
  private readonly logger = new Logger(StoredFiles.name);

  constructor(
    readonly folder: Folder,
    readonly index: FileIndex,
    private readonly store: FileStore,
    private readonly scratch: Scratch,
  ) {}

  /**
   * Stores a part under a name, then saves its row. If the row is not saved, the file is removed. If the database fails at the commit, the row
   * may have been saved, so the file stays.
   * @param saveRow calls its parameter as the last step before the commit
   */
  async save<Row>(
    part: PartFile,
    name: string,
    saveRow: (beforeCommit: () => void) => Promise<Row>,
  ): Promise<Row> {
    await this.put(part, name);
    let mayBeSaved = false;
    try {
      return await saveRow(() => {
        mayBeSaved = true;
      });
    } catch (error) {
      if (!mayBeSaved || !isDatabaseUnavailable(error)) await this.remove([name]);
      throw error;
    }
  }

  /** @returns `undefined` if the file does not exist */
  async open(name: string): Promise<StoredFile | undefined> {
    const key = this.keyOf(name);
    const known = await this.store.stat(key);
    return (
      known && {
        size: known.size,
        read: async (range) => {
          const content = await this.store.read(key, range);
          if (!content) throw new FileMissingError();
          return content;
        },
        addressFor: (presentation) => this.store.addressOf(key, presentation),
      }
    );
  }

  async has(name: string): Promise<boolean> {
    return (await this.store.stat(this.keyOf(name))) !== undefined;
  }

  /**
   * Never throws, because the rows are already deleted. After a failure no further file is removed, because each would wait for a dead store
   * until its deadline. The sweep finds the files that are left.
   */
  async remove(names: string[]): Promise<void> {
    await inParallel(names, REMOVED_AT_ONCE, (name) => this.store.remove(this.keyOf(name))).catch(
      (error: unknown) => this.logger.error(error),
    );
  }

  private async put(part: PartFile, name: string): Promise<void> {
    try {
      await this.store.put(this.keyOf(name), part);
    } catch (error) {
      void this.remove([name]); // the file may be there, if only the response was lost; the client does not wait for it
      throw error;
    } finally {
      await this.scratch.discard(part);
    }
  }

  private keyOf(name: string): string {
    return `${this.folder}/${name}`;
  }
}
