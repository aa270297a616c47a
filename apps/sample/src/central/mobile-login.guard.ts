import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { MobileOAuthService } from 'nestjs-wechat';
import { CentralError } from './central.errors.js';
import { tokenOf } from './parameters.js';

/** Accepts a request whose path has the token of a mobile login, and the app in which it was issued. */
@Injectable()
export class MobileLoginGuard implements CanActivate {
  constructor(private readonly oauth: MobileOAuthService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { params, headers } = context
      .switchToHttp()
      .getRequest<FastifyRequest<{ Params: { appId: string; token: string } }>>();
    const { appId } = await this.oauth.find(tokenOf(params.token, headers.authorization));
    if (appId !== params.appId) throw new CentralError('unauthorized');
    return true;
  }
}
