import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { inParallel } from '../common/in-parallel.js';
import { FOLDERS } from './file-store.js';
import type { FileStore, Folder } from './file-store.js';
import type { PartFile, Scratch } from './scratch.js';
import { SortedPages, steps } from './sorted-pages.js';
import { MARKER, readMarker, writeMarker } from './storage-id.js';

const AT_ONCE = 8;
/** A file that is not verified yet is in the trash. So the sweep removes it after UPLOAD_TRASH_AGE if the copy was interrupted. */
const unverifiedKey = (folder: Folder, name: string): string => `trash/${folder}/copying-${name}`;

export interface Copy {
  from: FileStore;
  to: FileStore;
  scratch: Scratch;
  /** Gets a line about the progress. */
  report: (line: string) => void;
}

/** The copy was not started, or it has ended, with the reason and what to do. */
export class CopyError extends Error {}

/**
 * Copies the files of one store into another, while the app runs. A file gets its name in the other store after its SHA-256 has been compared.
 * So a copy that was interrupted continues with the files that have no name there. Nothing is deleted in the first store.
 * @throws CopyError if the other store belongs to another database, or if a file differs
 */
export async function copyFiles(copy: Copy): Promise<void> {
  await copyMarker(copy);
  for (const folder of FOLDERS) await copyFolder(folder, copy);
}

/** First, so that no app of another database uses the store meanwhile. */
async function copyMarker({ from, to, scratch }: Copy): Promise<void> {
  const [id, other] = [await readMarker(from), await readMarker(to)];
  if (id === undefined)
    throw new CopyError(
      `${from.root} has no ${MARKER}. Check --from, or start the app with it once.`,
    );
  if (other !== undefined && other !== id)
    throw new CopyError(`${to.root} belongs to another database. Choose another --to.`);
  if (other === undefined) await writeMarker(to, scratch, id);
}

async function copyFolder(folder: Folder, copy: Copy): Promise<void> {
  const source = new SortedPages(copy.from.list(folder));
  const target = new SortedPages(copy.to.list(folder));
  let [copied, present] = [0, 0];
  for await (const upTo of steps([source, target])) {
    const there = new Set(target.take(upTo).map(({ name }) => name));
    const files = source.take(upTo);
    const left = files.filter(({ name }) => !there.has(name));
    await inParallel(left, AT_ONCE, ({ name }) => copyFile(folder, name, copy));
    copied += left.length;
    present += files.length - left.length;
    copy.report(`${folder}: ${copied} copied, ${present} were there`);
  }
}

async function copyFile(folder: Folder, name: string, { from, to, scratch }: Copy): Promise<void> {
  const [key, unverified] = [`${folder}/${name}`, unverifiedKey(folder, name)];
  const content = await from.read(key);
  if (!content) return; // deleted meanwhile
  const { part, sha256 } = await receive(content, scratch);
  try {
    await to.put(unverified, part);
  } finally {
    await scratch.discard(part);
  }
  const written = await to.read(unverified);
  const isSame = written !== undefined && (await sha256Of(written)) === sha256;
  if (!isSame || !(await to.move(unverified, key)))
    throw new CopyError(
      `${key} has another content in ${to.root} than in ${from.root}. Run the command again.`,
    );
}

async function receive(
  content: Readable,
  scratch: Scratch,
): Promise<{ part: PartFile; sha256: string }> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      hash.update(chunk as Uint8Array);
      yield chunk as Uint8Array;
    }
  }
  const part = await scratch.receive(Readable.from(hashed(), { objectMode: false }));
  return { part, sha256: hash.digest('hex') };
}

async function sha256Of(content: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of content) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
