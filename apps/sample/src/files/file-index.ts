import type { EntityManager } from 'typeorm';

/** The rows of a table that name the files of a folder. Every method takes the connection to use. */
export interface FileIndex {
  /** The next names after one, in ascending order. @param after `''` begins at the first */
  page(db: EntityManager, after: string, limit: number): Promise<string[]>;
  /** Which of these names have a row. */
  existing(db: EntityManager, names: string[]): Promise<string[]>;
  /** Marks the rows of these names: their files are missing. No row is deleted. */
  markMissing(db: EntityManager, names: string[]): Promise<void>;
  /** Clears the mark of these names. */
  markPresent(db: EntityManager, names: string[]): Promise<void>;
}
