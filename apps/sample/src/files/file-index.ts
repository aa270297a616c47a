import type { EntityManager } from 'typeorm';

/** A row that names a file. */
export interface IndexedFile {
  name: string;
  /** Whether the row is marked: its file was missing. */
  isMissing: boolean;
  /** Whether the row is younger than an hour. */
  isNew: boolean;
}

/** The rows of a table that name the files of a folder. Every method takes the connection to use. */
export interface FileIndex {
  /** The next rows after a name, in ascending order of the bytes of their names. @param after `''` begins at the first */
  page(db: EntityManager, after: string, limit: number): Promise<IndexedFile[]>;
  /** Which of these names have a row. */
  existing(db: EntityManager, names: string[]): Promise<string[]>;
  /** Marks the rows of these names: their files are missing. No row is deleted. */
  markMissing(db: EntityManager, names: string[]): Promise<void>;
  /** Clears the mark of these names. */
  markPresent(db: EntityManager, names: string[]): Promise<void>;
}
