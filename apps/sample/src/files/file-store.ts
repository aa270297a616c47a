import type { Readable } from 'node:stream';
import type { ByteRange } from './byte-range.js';
import type { PartFile } from './scratch.js';

/** The folders of a store. */
export const FOLDERS = ['recordings', 'avatars'] as const;

export type Folder = (typeof FOLDERS)[number];

/**
 * Whether the app may have given this name to a file. Lists have no other names. So another storage in a subfolder is safe from the sweep,
 * hidden files of the system are ignored, and the order of the names is that of their bytes.
 */
export const isFileName = (name: string): boolean => /^\w[\w.-]*$/.test(name);

/** What a store knows about a file. */
export interface FileStat {
  /** Bytes. */
  size: number;
  /** Milliseconds, by the clock of the store. Moving a file sets it to the time of the move, in a folder by the clock of this machine. */
  writtenAt: number;
}

export interface ListedFile extends FileStat {
  name: string;
}

/** Headers of the response that a client gets. */
export interface Presentation {
  type: string;
  disposition: string;
  cacheControl: string;
}

/**
 * The place where uploaded files are kept: a folder or a bucket. A key is `folder/name`. A file never changes under its key.
 *
 * Every method has a deadline, and throws StorageUnavailableError if the place does not work.
 */
export abstract class FileStore {
  /** The setting that names the place. */
  abstract readonly setting: 'UPLOAD_DIR' | 'STORAGE_URL';
  /** The path or address of the place, without a secret. */
  abstract readonly root: string;

  /** For messages. */
  get place(): string {
    return `${this.setting} (${this.root})`;
  }

  /** Runs before the first file is stored. @throws Error if the files can never be stored there */
  abstract create(): Promise<void>;

  /** Stores a part under a key: completely or not at all, and safe from a power cut. */
  abstract put(key: string, part: PartFile): Promise<void>;

  /** @returns `undefined` if there is no such file */
  abstract stat(key: string): Promise<FileStat | undefined>;

  /** @returns `undefined` if there is no such file */
  abstract read(key: string, range?: ByteRange): Promise<Readable | undefined>;

  /** Does nothing if there is no such file. */
  abstract remove(key: string): Promise<void>;

  /** @returns false if there is no such file */
  abstract move(from: string, to: string): Promise<boolean>;

  /** The files of a folder in pages, in ascending order of their names. Names that are not `isFileName` are left out. */
  abstract list(folder: string): AsyncGenerator<ListedFile[]>;

  /** @returns an address at which a client can download a file for five minutes; `undefined` if clients download from the app */
  async addressOf(_key: string, _presentation: Presentation): Promise<string | undefined> {
    return undefined;
  }
}
