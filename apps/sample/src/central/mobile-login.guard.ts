import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { MobileOAuthService, WechatSessionError } from 'nestjs-wechat';
import { tokenOf } from './parameters.js';

/** Lets a request through whose path has the token of a mobile login, and the app that it was made in. */
@Injectable()
export class MobileLoginGuard implements CanActivate {
  constructor(private readonly oauth: MobileOAuthService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { params, headers } = context
      .switchToHttp()
      .getRequest<FastifyRequest<{ Params: { appId: string; token: string } }>>();
    const { appId } = await this.oauth.find(tokenOf(params.token, headers.authorization));
    if (appId !== params.appId) throw new WechatSessionError();
    return true;
  }
}
