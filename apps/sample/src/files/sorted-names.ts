import { appendFile, mkdtemp, opendir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PAGE = 500;
/** How many names are in memory while a folder is read. */
const MAX_BUFFERED = 20_000;
/** A file name cannot contain it. */
const SEPARATOR = '/';

/** The first name of each range. The names of uploads begin with two hexadecimal digits, so the ranges have about the same size. */
const STARTS = ['', ...Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, '0'))];
const BEGINS_WITH_HEX = /^[0-9a-f]{2}/;

/**
 * The names of the files of a folder in pages, in ascending order. The file system returns them in no order, and there may be more than fit
 * into memory. So they are distributed to ranges, in files if there are many, and each range is sorted on its own.
 */
export async function* sortedNames(path: string): AsyncGenerator<string[]> {
  const temporary = await mkdtemp(join(tmpdir(), 'sorted-names-'));
  const ranges = STARTS.map((_, number) => new NameRange(join(temporary, String(number))));
  try {
    await distribute(path, ranges);
    for (const range of ranges) {
      const names = await range.sorted();
      for (let at = 0; at < names.length; at += PAGE) yield names.slice(at, at + PAGE);
    }
  } finally {
    await rm(temporary, { recursive: true });
  }
}

async function distribute(path: string, ranges: NameRange[]): Promise<void> {
  let buffered = 0;
  for await (const entry of await opendir(path, { bufferSize: PAGE })) {
    if (!entry.isFile()) continue;
    ranges[rangeOf(entry.name)]?.names.push(entry.name);
    if (++buffered < MAX_BUFFERED) continue;
    for (const range of ranges) await range.flush();
    buffered = 0;
  }
}

function rangeOf(name: string): number {
  if (BEGINS_WITH_HEX.test(name)) return 1 + Number.parseInt(name.slice(0, 2), 16);
  return STARTS.findLastIndex((start) => start <= name);
}

/** The names from one start to the next. */
class NameRange {
  names: string[] = [];
  private isOnDisk = false;

  constructor(private readonly path: string) {}

  async flush(): Promise<void> {
    if (this.names.length === 0) return;
    await appendFile(this.path, this.names.map((name) => name + SEPARATOR).join(''));
    this.names = [];
    this.isOnDisk = true;
  }

  async sorted(): Promise<string[]> {
    const onDisk = this.isOnDisk ? (await readFile(this.path, 'utf8')).split(SEPARATOR) : [];
    const names = [...onDisk, ...this.names].filter((name) => name !== '');
    this.names = [];
    return names.toSorted();
  }
}
