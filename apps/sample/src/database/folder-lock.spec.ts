import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderInUseError, lockFolder } from './folder-lock.js';

describe('the lock of a folder', () => {
  let folder: string;
  /** Two processes that are running. */
  const pids = [process.pid, process.ppid];
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'nestjs-wechat-lock-')), 'db');
  });
  afterEach(() => rm(join(folder, '..'), { recursive: true }));

  it('is given to only one of two processes that start together', async () => {
    const results = await Promise.allSettled(pids.map((pid) => lockFolder(folder, pid)));
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused).toEqual([{ status: 'rejected', reason: expect.any(FolderInUseError) }]);
  });

  it('control: is given to both if the owner is checked before it is written', async () => {
    const naive = async (pid: number) => {
      const owner = await readFile(`${folder}.lock`, 'utf8').catch(() => '');
      if (owner !== '') throw new FolderInUseError(folder, Number(owner));
      await writeFile(`${folder}.lock`, String(pid));
    };
    const results = await Promise.allSettled(pids.map(naive));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
  });

  it('is taken over from a dead process at once, and is free after its release', async () => {
    await writeFile(`${folder}.lock`, '999999999');
    const release = await lockFolder(folder);
    await expect(lockFolder(folder, process.ppid)).rejects.toThrow(
      `in use by process ${process.pid}`,
    );
    await release();
    await (
      await lockFolder(folder, process.ppid)
    )();
  });
});
