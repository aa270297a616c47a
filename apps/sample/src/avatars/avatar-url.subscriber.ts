import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { EntitySubscriberInterface } from 'typeorm';
import { AppConfig } from '../config.js';
import { User } from '../users/user.entity.js';

/**
 * Sets `avatarUrl` of a user who uploaded a picture, each time the user is read: absolute if `PUBLIC_URL` is set, else a path of this API.
 * The database keeps the name of the file only, so that `PUBLIC_URL` may change.
 */
@Injectable()
export class AvatarUrlSubscriber implements EntitySubscriberInterface<User> {
  constructor(
    private readonly config: AppConfig,
    @InjectDataSource() dataSource: DataSource,
  ) {
    dataSource.subscribers.push(this);
  }

  listenTo(): typeof User {
    return User;
  }

  afterLoad(user: User): void {
    if (user.avatarFile)
      user.avatarUrl = `${this.config.publicUrl ?? ''}/avatars/${user.avatarFile}`;
  }
}
