import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lock } from 'proper-lockfile';

export class FolderInUseError extends Error {
  constructor(folder: string, owner: number) {
    super(
      `The embedded database in ${folder} is in use by process ${owner}. Stop that one, or set DATABASE_URL to a PostgreSQL server.`,
    );
    this.name = 'FolderInUseError';
  }
}

/**
 * Reserves a folder for a process. The id of the process is in a file next to the folder. The file of a process that has ended is replaced.
 * proper-lockfile makes sure that only one process at a time reads and writes that file. It does not hold the folder itself: its locks
 * need a timer, which PGlite blocks while it starts, and after a crash the next start would wait for the lock to expire.
 * @param pid the process that reserves it
 * @returns releases the folder
 * @throws FolderInUseError
 */
export async function lockFolder(folder: string, pid = process.pid): Promise<() => Promise<void>> {
  const file = `${folder}.lock`;
  await mkdir(dirname(file), { recursive: true });
  const release = await lock(folder, {
    lockfilePath: `${folder}.locking`,
    realpath: false, // the folder may not exist yet
    retries: { retries: 20, minTimeout: 50, maxTimeout: 1000 },
  });
  try {
    const owner = await ownerOf(file, pid);
    if (owner !== undefined) throw new FolderInUseError(folder, owner);
    await writeFile(file, String(pid));
  } finally {
    await release();
  }
  return () => rm(file, { force: true });
}

/** The running process that has the folder. In a container every start has the same id, so the own id does not count. */
async function ownerOf(file: string, ownPid: number): Promise<number | undefined> {
  const pid = Number(await readFile(file, 'utf8').catch(() => ''));
  return pid > 0 && pid !== ownPid && isRunning(pid) ? pid : undefined;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it runs as another user
  }
}
