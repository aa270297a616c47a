import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { FileFolder } from './file-folder.js';
import type { FileIndex } from './file-index.js';
import { isPart } from './part-name.js';

/** How many names are in memory at a time. */
const PAGE = 500;
/** Longer than any upload takes: a younger file may be waiting for its row, in this instance or in another. */
const GRACE_MS = 3600_000;

export interface Reconciliation {
  folder: FileFolder;
  index: FileIndex;
  db: EntityManager;
  /** Ends the work early. */
  signal: AbortSignal;
}

/**
 * Compares a folder with its rows after a crash. It deletes neither: a file without a row moves to the trash, and a row without a file is
 * marked until the file is back. Only call it for a folder that belongs to the database.
 */
export async function reconcile(reconciliation: Reconciliation): Promise<void> {
  const { folder } = reconciliation;
  const logger = new Logger('UploadFolders');
  await folder.removeAbandonedParts();
  const orphans = await moveOrphansToTrash(reconciliation);
  const missing = await markRows(reconciliation);
  if (orphans > 0) logger.warn(`${folder.path}: moved ${orphans} files without a row to the trash`);
  if (missing > 0) logger.warn(`${folder.path}: ${missing} rows have no file`);
}

async function moveOrphansToTrash({ folder, index, db, signal }: Reconciliation): Promise<number> {
  let moved = 0;
  for await (const names of pages(folder.names())) {
    if (signal.aborted) return moved;
    const existing = new Set(await index.existing(db, names));
    for (const name of names)
      if (!existing.has(name) && (await folder.isOlderThan(name, Date.now() - GRACE_MS))) {
        await folder.moveToTrash(name);
        moved++;
      }
  }
  return moved;
}

async function markRows({ folder, index, db, signal }: Reconciliation): Promise<number> {
  let missing = 0;
  let names = await index.page(db, '', PAGE);
  while (names.length > 0 && !signal.aborted) {
    const present: string[] = [];
    const absent: string[] = [];
    for (const name of names)
      ((await folder.has(name)) || (await folder.restoreFromTrash(name)) ? present : absent).push(
        name,
      );
    await index.markPresent(db, present);
    await index.markMissing(db, absent);
    missing += absent.length;
    names = await index.page(db, names.at(-1) ?? '', PAGE);
  }
  return missing;
}

async function* pages(names: AsyncIterable<string>): AsyncGenerator<string[]> {
  let page: string[] = [];
  for await (const name of names) {
    if (isPart(name)) continue;
    page.push(name);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
