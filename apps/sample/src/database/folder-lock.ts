import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

export class FolderInUseError extends Error {
  constructor(folder: string, owner: number) {
    super(
      `The embedded database in ${folder} is in use by process ${owner}. Stop that one, or set DATABASE_URL to a PostgreSQL server.`,
    );
    this.name = 'FolderInUseError';
  }
}

/**
 * Keeps a folder for this process. The lock lies beside the folder and holds the process's id; one that a dead process left
 * behind is taken over.
 * @returns what gives the folder free again
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const lock = `${folder}.lock`;
  await mkdir(dirname(lock), { recursive: true });
  const owner = await ownerOf(lock);
  if (owner !== undefined) throw new FolderInUseError(folder, owner);
  await writeFile(lock, String(process.pid));
  return () => rm(lock, { force: true });
}

/** The living process that holds the lock. In a container every start has the same id, so our own is no owner. */
async function ownerOf(lock: string): Promise<number | undefined> {
  const pid = Number(await readFile(lock, 'utf8').catch(() => ''));
  return pid > 0 && pid !== process.pid && isAlive(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // alive, and somebody else's
  }
}
