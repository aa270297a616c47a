import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EntityManager } from 'typeorm';
import writeFileAtomic from 'write-file-atomic';
import type { FileFolder } from './file-folder.js';
import type { FileIndex } from './file-index.js';
import { isPart } from './part-name.js';

export const MARKER = '.folder-id';

/** The key of the advisory lock. Nothing else on the server may use it. Instances that start together wait for each other. */
const LOCK = 7_283_902;
/** How many names of each side are compared before a folder and a database without an id get one. */
const SAMPLE = 1000;

export interface Indexed {
  folder: FileFolder;
  index: FileIndex;
}

/**
 * Checks that the upload folder and the database belong together: both carry the same random id. The folder has it in a marker file, the
 * database in the table `upload_folder`. The id is created once:
 *
 * - If neither has an id, both get one if both are empty, or if at least half of a sample of each side is on the other side.
 * - If one has an id and both are empty, the other gets the same id.
 *
 * In every other case they do not belong together.
 * @param dir UPLOAD_DIR
 * @returns what is wrong and what to do, in one line; `undefined` if they belong together
 */
export function checkFolderId(
  db: EntityManager,
  dir: string,
  folders: Indexed[],
): Promise<string | undefined> {
  return db.transaction(async (transaction) => {
    await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    const [row] = await transaction.query<{ id: string }[]>('SELECT id FROM upload_folder');
    const ofDatabase = row?.id;
    const ofFolder = await readMarker(dir);
    if (ofDatabase !== undefined && ofDatabase === ofFolder) return undefined;
    if (!(await mayShareAnId(transaction, folders, [ofDatabase, ofFolder])))
      return problemOf(dir, ofDatabase, ofFolder);
    const id = ofDatabase ?? ofFolder ?? randomUUID();
    if (ofFolder === undefined) await writeFileAtomic(join(dir, MARKER), `${id}\n`);
    if (ofDatabase === undefined)
      await transaction.query('INSERT INTO upload_folder (id) VALUES ($1)', [id]);
    return undefined;
  });
}

async function mayShareAnId(
  db: EntityManager,
  folders: Indexed[],
  ids: (string | undefined)[],
): Promise<boolean> {
  const known = ids.filter((id) => id !== undefined);
  if (known.length === 2) return false;
  const contents = await compare(db, folders);
  return contents === 'both empty' || (contents === 'same' && known.length === 0);
}

async function readMarker(dir: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dir, MARKER), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function compare(
  db: EntityManager,
  folders: Indexed[],
): Promise<'both empty' | 'same' | 'different'> {
  let [files, rows, filesWithRow, rowsWithFile] = [0, 0, 0, 0];
  for (const { folder, index } of folders) {
    const names = await sampleNames(folder);
    const page = await index.page(db, '', SAMPLE);
    files += names.length;
    rows += page.length;
    filesWithRow += (await index.existing(db, names)).length;
    for (const name of page) if (await folder.has(name)) rowsWithFile++;
  }
  if (files === 0 && rows === 0) return 'both empty';
  return isHalf(filesWithRow, files) && isHalf(rowsWithFile, rows) ? 'same' : 'different';
}

function isHalf(part: number, whole: number): boolean {
  return whole > 0 && part * 2 >= whole;
}

async function sampleNames(folder: FileFolder): Promise<string[]> {
  const names: string[] = [];
  for await (const name of folder.names()) {
    if (!isPart(name)) names.push(name);
    if (names.length === SAMPLE) break;
  }
  return names;
}

const CONSEQUENCE = 'No file is changed, and uploads are refused until this is solved.';
const CAUSES = 'Check DATABASE_URL and UPLOAD_DIR, and that the volume is mounted.';

function problemOf(dir: string, ofDatabase?: string, ofFolder?: string): string {
  const marker = join(dir, MARKER);
  const id = ofDatabase ?? ofFolder ?? randomUUID();
  const write = `write ${id} into ${marker}`;
  const insert = `run INSERT INTO upload_folder (id) VALUES ('${id}')`;
  if (ofDatabase !== undefined && ofFolder !== undefined)
    return `UPLOAD_DIR (${dir}) belongs to another database. ${CONSEQUENCE} ${CAUSES} If they do belong together, ${write}, and restart.`;
  if (ofDatabase !== undefined)
    return `UPLOAD_DIR (${dir}) is not the folder of this database: it has no ${MARKER}. ${CONSEQUENCE} ${CAUSES} If they do belong together, ${write}, and restart.`;
  if (ofFolder !== undefined)
    return `UPLOAD_DIR (${dir}) belongs to another database: this one has no folder id. ${CONSEQUENCE} ${CAUSES} If they do belong together, ${insert}, and restart.`;
  return `UPLOAD_DIR (${dir}) and the database do not belong together: most files have no row, or most rows have no file. ${CONSEQUENCE} ${CAUSES} If they do belong together, ${write}, ${insert}, and restart.`;
}
