import { Injectable, Logger } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { FileIndex } from './file-index.js';
import { FileStore } from './file-store.js';
import type { Folder } from './file-store.js';
import { Scratch } from './scratch.js';
import { checkStorageId, MARKER, readMarker } from './storage-id.js';
import { storageErrorOf, StorageUnavailableError } from './storage-errors.js';
import { StoredFiles } from './stored-files.js';

/** How often the readiness check may look whether the store responds, in milliseconds. */
const LOOK_EVERY_MS = 2000;
/** The key of a file that is written to learn the time of the store. */
const CLOCK = '.clock';

/** The files of the app: the folders of the store, and whether the store responds and belongs to the database. */
@Injectable()
export class FileStorage implements OnModuleInit {
  /** Why files cannot be stored, in one line; `undefined` if they can. */
  problem: string | undefined;
  readonly kinds: StoredFiles[] = [];
  private readonly logger = new Logger(FileStorage.name);
  /** The id that the store and the database share, once it is known. */
  private id: string | undefined;
  private isForeign = false;
  private checking?: Promise<void>;
  private checkedAt = 0;

  constructor(
    readonly store: FileStore,
    readonly scratch: Scratch,
    @InjectDataSource() private readonly dataSource: DataSource,
  ) {}

  /** Call it in a constructor, so that the folder is known before the app starts. */
  add(folder: Folder, index: FileIndex): StoredFiles {
    const files = new StoredFiles(folder, index, this.store, this.scratch);
    this.kinds.push(files);
    return files;
  }

  async onModuleInit(): Promise<void> {
    await this.scratch.create();
    await this.store.create();
    await this.check();
  }

  /** Finds out whether there is a problem. Calls at the same time share one check. */
  check(): Promise<void> {
    this.checking ??= this.runCheck().finally(() => (this.checking = undefined));
    return this.checking;
  }

  /** Checks in the background, so that a dead store delays no caller and a store that is back is noticed. */
  checkSoon(): void {
    if (performance.now() - this.checkedAt > LOOK_EVERY_MS)
      this.check().catch((error: unknown) => this.logger.error(error));
  }

  /** @throws StorageUnavailableError unless the store has responded and belongs to the database */
  async mustWork(): Promise<void> {
    if (this.problem !== undefined) await this.check();
    if (this.problem !== undefined) throw new StorageUnavailableError({ retryAfter: 60 });
  }

  /**
   * The time by the clock that dates the files, in milliseconds: that of the bucket or of the file server. The clock of this machine may be
   * wrong by hours, because the client of S3 corrects the time in its requests.
   */
  async now(): Promise<number> {
    await this.scratch.withText('now', (part) => this.store.put(CLOCK, part));
    const written = await this.store.stat(CLOCK);
    if (!written) throw new StorageUnavailableError({ reason: `${this.store.place}: no ${CLOCK}` });
    return written.writtenAt;
  }

  private async runCheck(): Promise<void> {
    if (this.isForeign) return; // until a restart, because the comparison can take a while
    const problem = await this.findProblem().catch((error: unknown) => {
      const failure = storageErrorOf(error);
      if (failure instanceof StorageUnavailableError) return failure.reason ?? failure.message;
      throw error;
    });
    if (problem !== undefined && problem !== this.problem) this.logger.error(problem);
    this.problem = problem;
    this.checkedAt = performance.now();
  }

  private async findProblem(): Promise<string | undefined> {
    const { store, id } = this;
    if (id !== undefined)
      return (await readMarker(store)) === id
        ? undefined
        : `${store.place} has lost its ${MARKER}. Check that the volume is mounted. Uploads are refused until it is back.`;
    const shared = await checkStorageId(this.dataSource.manager, this);
    if ('id' in shared) this.id = shared.id;
    this.isForeign = 'problem' in shared;
    return 'problem' in shared ? shared.problem : undefined;
  }
}
