import { Logger } from '@nestjs/common';
import type { FileFolder } from './file-folder.js';

/** What the database says of a folder. */
export interface FileIndex {
  /** The files that have a row. */
  names(): Promise<string[]>;
  /** Takes the row of a file that is gone back. */
  forget(name: string): Promise<void>;
}

/** Longer than any upload takes: a younger file may be waiting for its row, in this instance or another. */
const GRACE = 3600_000;

/**
 * Removes what a crash has left: files without a row, and rows without a file. In this order of reading, an upload that is under way
 * looks like neither.
 */
export async function sweep(folder: FileFolder, index: FileIndex): Promise<void> {
  const files = new Set(await folder.list());
  const names = new Set(await index.names());
  if (!folder.isOld && names.size > 0) return missing(folder);
  for (const file of files)
    if (!names.has(file) && (await isLeft(folder, file))) await folder.remove(file);
  for (const name of names)
    if (!files.has(name) && (await folder.writtenAt(name)) === undefined) await index.forget(name);
}

async function isLeft(folder: FileFolder, file: string): Promise<boolean> {
  const writtenAt = await folder.writtenAt(file);
  return writtenAt !== undefined && writtenAt < Date.now() - GRACE;
}

/** The rows are right and the folder is wrong; forgetting them would lose what is only out of sight. */
function missing({ path }: FileFolder): void {
  new Logger('Sweep').error(
    `${path} did not exist, and the database knows files in it. Is the volume of UPLOAD_DIR mounted?`,
  );
}
