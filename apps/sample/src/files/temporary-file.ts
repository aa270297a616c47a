import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a text is in a file, in bytes. */
export interface Piece {
  position: number;
  length: number;
}

/** Texts on disk that are too many for memory. The file loses its name when it is opened, so nothing is left after `kill -9`. */
export class TemporaryFile {
  private file?: FileHandle;
  private size = 0;

  async append(text: string): Promise<Piece> {
    this.file ??= await openWithoutName();
    const position = this.size;
    await this.file.appendFile(text);
    const length = Buffer.byteLength(text);
    this.size += length;
    return { position, length };
  }

  async read({ position, length }: Piece): Promise<string> {
    const bytes = Buffer.alloc(length);
    let end = 0;
    while (end < length) {
      const read = await this.file?.read(bytes, end, length - end, position + end);
      if (!read?.bytesRead) throw new Error('The temporary file has become shorter.');
      end += read.bytesRead;
    }
    return bytes.toString();
  }

  async close(): Promise<void> {
    await this.file?.close();
  }
}

async function openWithoutName(): Promise<FileHandle> {
  const path = join(tmpdir(), randomUUID());
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
}
