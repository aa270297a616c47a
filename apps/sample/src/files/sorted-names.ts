import { opendir } from 'node:fs/promises';
import { TemporaryFile } from './temporary-file.js';
import type { Piece } from './temporary-file.js';

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
 * into memory. So they are distributed to ranges, in a temporary file if there are many, and each range is sorted on its own.
 */
export async function* sortedNames(path: string): AsyncGenerator<string[]> {
  const disk = new TemporaryFile();
  const ranges = STARTS.map(() => new NameRange(disk));
  try {
    await distribute(path, ranges);
    for (const range of ranges) {
      const names = await range.sorted();
      for (let at = 0; at < names.length; at += PAGE) yield names.slice(at, at + PAGE);
    }
  } finally {
    await disk.close();
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
  private readonly onDisk: Piece[] = [];

  constructor(private readonly disk: TemporaryFile) {}

  async flush(): Promise<void> {
    if (this.names.length === 0) return;
    this.onDisk.push(await this.disk.append(this.names.join(SEPARATOR)));
    this.names = [];
  }

  async sorted(): Promise<string[]> {
    const { names } = this;
    this.names = [];
    for (const piece of this.onDisk) names.push(...(await this.disk.read(piece)).split(SEPARATOR));
    return names.toSorted();
  }
}
