import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileStore } from '../../apps/sample/src/files/file-store.js';
import type { TestS3 } from './s3.js';
import type { Started } from './start.js';

/** The files of a running app: in a folder, or in a bucket. */
export interface Stored {
  names: (folder: string) => Promise<string[]>;
  /** Files of recordings, and parts of uploads. */
  count: () => Promise<number>;
  parts: () => Promise<string[]>;
  /** Writes a file that has no row. */
  write: (key: string) => Promise<void>;
  move: (from: string, to: string) => Promise<boolean>;
  age: (key: string, days: number) => Promise<void>;
}

export function storedOf({ app, uploads }: Pick<Started, 'app' | 'uploads'>, s3?: TestS3): Stored {
  const store = app.get(FileStore);
  const names = async (folder: string): Promise<string[]> => {
    const found: string[] = [];
    for await (const page of store.list(folder)) found.push(...page.map(({ name }) => name));
    return found;
  };
  const parts = () => readdir(join(uploads, 'parts'));
  return {
    names,
    parts,
    count: async () => (await names('recordings')).length + (await parts()).length,
    write: async (key) => {
      const path = join(uploads, 'test.part');
      await writeFile(path, 'x');
      await store.put(key, { path, size: 1 });
    },
    move: (from, to) => store.move(from, to),
    age: async (key, days) => {
      const time = new Date(Date.now() - days * 86_400_000);
      if (s3) await s3.age(key, time);
      else await utimes(join(uploads, key), time, time);
    },
  };
}
