import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ContentModule } from '../content/content.module.js';
import { Content } from '../content/content.entity.js';
import { FilesModule } from '../files/files.module.js';
import { Recording } from './recording.entity.js';
import { RecordingsController } from './recordings.controller.js';
import { RecordingsService } from './recordings.service.js';
import { SharesController } from './shares.controller.js';
import { Shares } from './shares.js';

@Module({
  imports: [FilesModule, ContentModule, TypeOrmModule.forFeature([Recording, Content])],
  controllers: [RecordingsController, SharesController],
  providers: [RecordingsService, Shares],
  exports: [RecordingsService],
})
export class RecordingsModule {}
