import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import type { EntityManager } from 'typeorm';
import { inParallel } from '../common/in-parallel.js';
import type { FileStore } from './file-store.js';
import type { Scratch } from './scratch.js';
import type { StoredFiles } from './stored-files.js';

/** The key of the file with the id. */
export const MARKER = '.folder-id';

/** The key of the advisory lock. Nothing else on the server may use it. Instances that start together wait for each other. */
const LOCK = 7_283_902;
/** How many names of each side are compared before a store and a database without an id get one. */
const SAMPLE = 1000;
const READ_AT_ONCE = 8;

/** The id that a store and a database share, or why they do not belong together. */
export type SharedId = { id: string } | { problem: string };

interface Storage {
  store: FileStore;
  scratch: Scratch;
  kinds: StoredFiles[];
}

/**
 * Checks that the store of the files and the database belong together: both carry the same random id. The store has it in a marker, the
 * database in the table `upload_folder`. The id is created once:
 *
 * - If neither has an id, both get one if both are empty, or if at least half of a sample of each side is on the other side.
 * - If one has an id and both are empty, the other gets the same id.
 *
 * In every other case they do not belong together.
 */
export async function checkStorageId(db: EntityManager, storage: Storage): Promise<SharedId> {
  const { store, scratch } = storage;
  const known = await readMarker(store); // before the lock: while the store is dead, other instances must not wait for the lock
  if (known !== undefined && known === (await idOf(db))) return { id: known };
  return db.transaction(async (transaction) => {
    await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const [ofDatabase, ofStore] = [await idOf(transaction), await readMarker(store)];
    if (ofDatabase !== undefined && ofDatabase === ofStore) return { id: ofDatabase };
    if (!(await mayShareAnId(transaction, storage, [ofDatabase, ofStore])))
      return { problem: problemOf(store, ofDatabase, ofStore) };
    const id = ofDatabase ?? ofStore ?? randomUUID();
    if (ofStore === undefined) await writeMarker(store, scratch, id);
    if (ofDatabase === undefined)
      await transaction.query('INSERT INTO upload_folder (id) VALUES ($1)', [id]);
    return { id };
  });
}

async function idOf(db: EntityManager): Promise<string | undefined> {
  const [row] = await db.query<{ id: string }[]>('SELECT id FROM upload_folder');
  return row?.id;
}

export async function readMarker(store: FileStore): Promise<string | undefined> {
  const content = await store.read(MARKER);
  return content && (await text(content)).trim();
}

export async function writeMarker(store: FileStore, scratch: Scratch, id: string): Promise<void> {
  await scratch.withText(`${id}\n`, (part) => store.put(MARKER, part));
}

async function mayShareAnId(
  db: EntityManager,
  storage: Storage,
  ids: (string | undefined)[],
): Promise<boolean> {
  const known = ids.filter((id) => id !== undefined);
  if (known.length === 2) return false;
  const contents = await compare(db, storage);
  return contents === 'both empty' || (contents === 'same' && known.length === 0);
}

async function compare(
  db: EntityManager,
  { store, kinds }: Storage,
): Promise<'both empty' | 'same' | 'different'> {
  let [files, rows, filesWithRow, rowsWithFile] = [0, 0, 0, 0];
  for (const kind of kinds) {
    const names = await sampleNames(store, kind.folder);
    const page = await kind.index.page(db, '', SAMPLE);
    const present = await inParallel(page, READ_AT_ONCE, ({ name }) => kind.has(name));
    files += names.length;
    rows += page.length;
    filesWithRow += (await kind.index.existing(db, names)).length;
    rowsWithFile += present.filter(Boolean).length;
  }
  if (files === 0 && rows === 0) return 'both empty';
  return isHalf(filesWithRow, files) && isHalf(rowsWithFile, rows) ? 'same' : 'different';
}

function isHalf(part: number, whole: number): boolean {
  return whole > 0 && part * 2 >= whole;
}

async function sampleNames(store: FileStore, folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const page of store.list(folder)) {
    names.push(...page.map(({ name }) => name));
    if (names.length >= SAMPLE) break;
  }
  return names;
}

const CONSEQUENCE = 'No file is changed, and uploads are refused until this is solved.';
const CAUSES = 'Check DATABASE_URL, UPLOAD_DIR and STORAGE_URL, and that the volume is mounted.';

const cure = (...steps: string[]): string =>
  `${CONSEQUENCE} ${CAUSES} If they do belong together, ${steps.join(', ')}, and restart.`;

function problemOf({ place, root }: FileStore, ofDatabase?: string, ofStore?: string): string {
  const id = ofDatabase ?? ofStore ?? randomUUID();
  const write = `write ${id} into ${root}/${MARKER}`;
  const insert = `run INSERT INTO upload_folder (id) VALUES ('${id}')`;
  if (ofDatabase !== undefined && ofStore !== undefined)
    return `${place} belongs to another database. ${cure(write)}`;
  if (ofDatabase !== undefined)
    return `${place} is not the folder of this database: it has no ${MARKER}. ${cure(write)}`;
  if (ofStore !== undefined)
    return `${place} belongs to another database: this one has no folder id. ${cure(insert)}`;
  return `${place} and the database do not belong together: most files have no row, or most rows have no file. ${cure(write, insert)}`;
}
