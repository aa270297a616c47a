import { Injectable, Logger, Module } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  OnApplicationBootstrap,
  OnModuleInit,
} from '@nestjs/common';
import { join } from 'node:path';
import { AppConfig } from '../config.js';
import { FileFolder } from './file-folder.js';
import { sweep } from './sweep.js';
import type { FileIndex } from './sweep.js';

/** The folders of UPLOAD_DIR: there before the first request, or there is no start; swept once at the start, beside the requests. */
@Injectable()
export class UploadFolders
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown
{
  private readonly folders: { folder: FileFolder; index: FileIndex }[] = [];
  private readonly logger = new Logger(UploadFolders.name);
  private sweeping: Promise<void>;

  constructor(private readonly config: AppConfig) {}

  /** For a constructor: who keeps files says so before the app starts. */
  add(name: string, index: FileIndex): FileFolder {
    const folder = new FileFolder(join(this.config.uploadDir, name));
    this.folders.push({ folder, index });
    return folder;
  }

  async onModuleInit(): Promise<void> {
    for (const { folder } of this.folders) await folder.prepare();
  }

  onApplicationBootstrap(): void {
    this.sweeping = this.sweep().catch((error: unknown) => this.logger.error(error));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.sweeping;
  }

  async sweep(): Promise<void> {
    for (const { folder, index } of this.folders) await sweep(folder, index);
  }
}

@Module({ providers: [UploadFolders], exports: [UploadFolders] })
export class FilesModule {}
