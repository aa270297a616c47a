// #region users
import { Injectable } from '@nestjs/common';
import type { WechatSession, WechatUserResolver } from 'nestjs-wechat';
import { PrismaService } from './prisma.service.js';

@Injectable()
export class UsersService implements WechatUserResolver {
  constructor(private readonly prisma: PrismaService) {}

  /** Adds the row at the first login. */
  register({ appId, openid, unionid }: WechatSession) {
    return this.prisma.user.upsert({
      where: { appId_openid: { appId, openid } },
      create: { appId, openid, unionid },
      update: { unionid },
    });
  }

  /** `@CurrentUser()` is this row. Without a row the request is 401. */
  resolve({ appId, openid }: WechatSession) {
    return this.prisma.user.findUnique({ where: { appId_openid: { appId, openid } } });
  }
}
// #endregion users
