import type { FileStore } from './file-store.js';
import { FolderStore } from './folder-store.js';
import type { StorageConfig } from './storage-url.js';

/** Opens the store of a setting. The client of S3 is loaded only if it is used. */
export async function openStore(config: StorageConfig): Promise<FileStore> {
  if ('dir' in config) return new FolderStore(config.dir);
  const { S3Store } = await import('./s3-store.js');
  return new S3Store(config);
}
