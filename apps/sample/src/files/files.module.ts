import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { join } from 'node:path';
import { AppClock } from '../common/app-clock.js';
import { AppConfig } from '../config.js';
import { FileStorage } from './file-storage.js';
import { FileStore } from './file-store.js';
import { FileSweep } from './file-sweep.entity.js';
import { openStore } from './open-store.js';
import { Scratch } from './scratch.js';
import { SweepJob } from './sweep-job.js';
import { Uploads } from './uploads.js';

@Module({
  imports: [TypeOrmModule.forFeature([FileSweep])],
  providers: [
    {
      provide: FileStore,
      inject: [AppConfig],
      useFactory: ({ storage }: AppConfig) => openStore(storage),
    },
    {
      provide: Scratch,
      inject: [AppConfig],
      useFactory: ({ uploadDir }: AppConfig) => new Scratch(join(uploadDir, 'parts')),
    },
    AppClock,
    FileStorage,
    Uploads,
    SweepJob,
  ],
  exports: [FileStorage, Uploads, SweepJob],
})
export class FilesModule {}
