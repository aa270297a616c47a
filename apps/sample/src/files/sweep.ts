import { Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { inParallel } from '../common/in-parallel.js';
import type { FileIndex, IndexedFile } from './file-index.js';
import type { FileStore, ListedFile } from './file-store.js';
import { SortedPages, steps } from './sorted-pages.js';
import type { StoredFiles } from './stored-files.js';

/** How many rows are in memory at a time. */
const PAGE = 1000;
const AT_ONCE = 8;
/** Longer than any upload takes: a younger file may be waiting for its row, in this instance or in another. */
const GRACE_MS = 3600_000;

/** The database, and how the work is limited. */
export interface SweepOptions {
  store: FileStore;
  db: EntityManager;
  /** The time of the store when the work began, in milliseconds. */
  now: number;
  /** How long a file without a row stays in the trash. */
  trashAgeMs: number;
  /** Runs between two pages. It throws to end the work. */
  mayContinue: () => Promise<void>;
}

/** What one page of each side says about the names between two others. */
interface Comparison {
  rows: IndexedFile[];
  files: ListedFile[];
  trash: ListedFile[];
}

export interface SweepResult {
  /** Files without a row, which are in the trash now. */
  orphans: number;
  /** Rows without a file. */
  missing: number;
}

/**
 * Compares a folder of the store with its rows, and its trash with both. It deletes neither rows nor files: a file without a row moves to
 * the trash, and a row without a file is marked until the file is back. Only what has been in the trash for its time is removed. Only call
 * it for a store that belongs to the database.
 */
export async function sweep(kind: StoredFiles, options: SweepOptions): Promise<SweepResult> {
  const { store, db, mayContinue } = options;
  const rows = new SortedPages(pagesOf(kind.index, db));
  const files = new SortedPages(store.list(kind.folder));
  const trash = new SortedPages(store.list(trashOf(kind)));
  const result = { orphans: 0, missing: 0 };
  for await (const upTo of steps([rows, files, trash])) {
    await mayContinue();
    const found = { rows: rows.take(upTo), files: files.take(upTo), trash: trash.take(upTo) };
    result.orphans += await moveOrphans(kind, found, options);
    result.missing += await markRows(kind, found, options);
    await emptyTrash(kind, found, options);
  }
  log(store, kind, result);
  return result;
}

function log(
  { place }: FileStore,
  { folder }: StoredFiles,
  { orphans, missing }: SweepResult,
): void {
  const logger = new Logger('Sweep');
  if (orphans > 0)
    logger.warn(`${folder} of ${place}: moved ${orphans} files without a row to the trash`);
  if (missing > 0) logger.warn(`${folder} of ${place}: ${missing} rows have no file`);
}

async function* pagesOf(index: FileIndex, db: EntityManager): AsyncGenerator<IndexedFile[]> {
  for (let page = await index.page(db, '', PAGE); page.length > 0;) {
    yield page;
    page = await index.page(db, page.at(-1)?.name ?? '', PAGE);
  }
}

async function moveOrphans(
  kind: StoredFiles,
  { rows, files }: Comparison,
  { store, db, now }: SweepOptions,
): Promise<number> {
  const named = namesOf(rows);
  const young = now - GRACE_MS;
  const absent = files.filter(({ name, writtenAt }) => !named.has(name) && writtenAt < young);
  const orphans = await withoutRow(absent, kind, db);
  const moved = await inParallel(orphans, AT_ONCE, ({ name }) =>
    store.move(`${kind.folder}/${name}`, `${trashOf(kind)}/${name}`),
  );
  return moved.filter(Boolean).length;
}

/** Returns how many rows have no file. A new row may be younger than the list of files, so its file is looked up. */
async function markRows(
  kind: StoredFiles,
  { rows, files, trash }: Comparison,
  { store, db }: SweepOptions,
): Promise<number> {
  const [stored, trashed] = [namesOf(files), namesOf(trash)];
  const isThere = async ({ name, isNew }: IndexedFile): Promise<boolean> => {
    if (trashed.has(name)) return store.move(`${trashOf(kind)}/${name}`, `${kind.folder}/${name}`);
    return isNew && kind.has(name);
  };
  const absent = rows.filter(({ name }) => !stored.has(name));
  const found = await inParallel(absent, AT_ONCE, isThere);
  const missing = absent.filter((_, number) => !found[number]);
  const missed = namesOf(missing);
  const changed = rows.filter(({ name, isMissing }) => isMissing !== missed.has(name));
  await kind.index.markMissing(db, [...namesOf(changed.filter(({ isMissing }) => !isMissing))]);
  await kind.index.markPresent(db, [...namesOf(changed.filter(({ isMissing }) => isMissing))]);
  return missing.length;
}

async function emptyTrash(
  kind: StoredFiles,
  { rows, trash }: Comparison,
  { store, db, now, trashAgeMs }: SweepOptions,
): Promise<void> {
  const named = namesOf(rows);
  const old = now - trashAgeMs;
  const absent = trash.filter(({ name, writtenAt }) => !named.has(name) && writtenAt < old);
  const expired = await withoutRow(absent, kind, db);
  await inParallel(expired, AT_ONCE, ({ name }) => store.remove(`${trashOf(kind)}/${name}`));
}

/** Asks the database again: a page of rows waits while many pages of files are compared with it, so a row may have been added since. */
async function withoutRow(
  files: ListedFile[],
  { index }: StoredFiles,
  db: EntityManager,
): Promise<ListedFile[]> {
  if (files.length === 0) return [];
  const existing = new Set(await index.existing(db, [...namesOf(files)]));
  return files.filter(({ name }) => !existing.has(name));
}

const trashOf = ({ folder }: StoredFiles): string => `trash/${folder}`;

const namesOf = (items: { name: string }[]): Set<string> => new Set(items.map(({ name }) => name));
