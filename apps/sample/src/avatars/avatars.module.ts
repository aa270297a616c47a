import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ContentModule } from '../content/content.module.js';
import { FilesModule } from '../files/files.module.js';
import { User } from '../users/user.entity.js';
import { UsersModule } from '../users/users.module.js';
import { AvatarUrlSubscriber } from './avatar-url.subscriber.js';
import { AvatarsController } from './avatars.controller.js';
import { AvatarsService } from './avatars.service.js';

@Module({
  imports: [UsersModule, FilesModule, ContentModule, TypeOrmModule.forFeature([User])],
  controllers: [AvatarsController],
  providers: [AvatarsService, AvatarUrlSubscriber],
  exports: [AvatarsService],
})
export class AvatarsModule {}
