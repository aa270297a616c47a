// #region me
import { Body, Controller, Get, Post, UseGuards } from '@nestjs/common';
import { CurrentSession, CurrentUser, PhoneService, SessionGuard } from 'nestjs-wechat';
import type { WechatPhone, WechatSession } from 'nestjs-wechat';
import type { User } from './user.entity.js';

@Controller('me')
@UseGuards(SessionGuard)
export class MeController {
  constructor(private readonly phones: PhoneService) {}

  @Get()
  me(@CurrentUser() user: User) {
    return user;
  }

  /** `code` is the one of `<button open-type="getPhoneNumber">`. */
  @Post('phone')
  phone(
    @Body('code') code: string,
    @CurrentSession() { appId, openid }: WechatSession,
  ): Promise<WechatPhone> {
    return this.phones.getByCode(code, { appId, openid });
  }
}
// #endregion me
