import { Inject, mixin } from '@nestjs/common';
import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ResolvedWechatOptions } from 'nestjs-wechat';
import type { WechatAppKind } from 'nestjs-wechat';
import { hash, timingSafeEqual } from 'node:crypto';
import { WrongSecretLimit } from '../common/rate-limit.module.js';
import { CentralError } from './central.errors.js';

type CentralRequest = FastifyRequest<{ Params: { appId: string; secret?: string } }>;

/** Checks the appId in the path. Guards run before pipes, so a caller without the secret gets no other error. */
function appGuard(kind: WechatAppKind): Type<CanActivate> {
  class AppGuard implements CanActivate {
    constructor(@Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions) {}

    canActivate(context: ExecutionContext): boolean {
      this.options.app(kind, paramsOf(context).appId);
      return true;
    }
  }
  return mixin(AppGuard);
}

/** Checks the secret in the path too. After too many wrong secrets from one IP address, the right secret is refused as well. */
function secretGuard(kind: WechatAppKind): Type<CanActivate> {
  class SecretGuard implements CanActivate {
    constructor(
      @Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions,
      @Inject(WrongSecretLimit) private readonly wrongSecrets: WrongSecretLimit,
    ) {}

    async canActivate(context: ExecutionContext): Promise<boolean> {
      const { appId, secret = '' } = paramsOf(context);
      const address = context.switchToHttp().getRequest<FastifyRequest>().ip;
      await this.wrongSecrets.check(address);
      if (isSameText(secret, this.options.app(kind, appId).secret)) return true;
      await this.wrongSecrets.count(address);
      throw new CentralError('secret');
    }
  }
  return mixin(SecretGuard);
}

function paramsOf(context: ExecutionContext): { appId: string; secret?: string } {
  return context.switchToHttp().getRequest<CentralRequest>().params;
}

/** Compares in constant time for any lengths, because hashes have equal lengths. */
function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}

export const MobileAppGuard = appGuard('mobile');
export const MobileSecretGuard = secretGuard('mobile');
export const MiniProgramGuard = appGuard('mini-program');
export const MiniProgramSecretGuard = secretGuard('mini-program');
