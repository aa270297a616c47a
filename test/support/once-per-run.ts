import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lock } from 'proper-lockfile';

/** What a run leaves behind. The global teardown ends the process and removes the folder. */
export interface Shared {
  pid?: number;
  folder?: string;
}

/** The folder of this run of jest. */
export function runFolder(): string {
  const folder = process.env['TEST_RUN_FOLDER'];
  if (folder === undefined) throw new Error('jest.config.mjs sets run-folder.mjs as globalSetup.');
  return folder;
}

/**
 * Starts or builds something in the first worker that needs it, and returns its description to every worker of this run.
 * @param make returns the description, which must be JSON
 */
export async function oncePerRun<T extends Shared>(
  name: string,
  make: () => Promise<T>,
): Promise<T> {
  const file = join(runFolder(), `${name}.json`);
  const read = (): T => JSON.parse(readFileSync(file, 'utf8')) as T;
  if (existsSync(file)) return read();
  const release = await lock(file, {
    realpath: false, // the file does not exist yet
    retries: { forever: true, minTimeout: 50, maxTimeout: 200 },
  });
  try {
    if (existsSync(file)) return read();
    const made = await make();
    writeFileSync(`${file}.new`, JSON.stringify(made));
    renameSync(`${file}.new`, file);
    return made;
  } finally {
    await release();
  }
}
