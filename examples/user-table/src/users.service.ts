// #region users
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { Repository } from 'typeorm';
import { User } from './user.entity.js';

@Injectable()
export class UsersService implements WechatUserResolver<User> {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Adds the row at the first login. Logins at the same time add one row. */
  async register({ appId, openid, unionid }: WechatSession): Promise<User> {
    await this.users.upsert({ appId, openid, unionid }, ['appId', 'openid']);
    return this.users.findOneByOrFail({ appId, openid });
  }

  /** `@CurrentUser()` is this row. Without a row the request is 401. */
  resolve({ appId, openid }: WechatSession): Promise<User | null> {
    return this.users.findOneBy({ appId, openid });
  }
}
// #endregion users
