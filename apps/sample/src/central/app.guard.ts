import { Inject, mixin } from '@nestjs/common';
import type { CanActivate, ExecutionContext, Type } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ResolvedWechatOptions } from 'nestjs-wechat';
import type { WechatApp, WechatAppKind } from 'nestjs-wechat';
import { hash, timingSafeEqual } from 'node:crypto';
import { CentralError } from './central.errors.js';

type CentralRequest = FastifyRequest<{ Params: { appId: string; secret?: string } }>;

/** Checks the appId in the path, and the secret. Guards run before pipes, so a caller without the secret learns nothing else. */
function appGuard(
  kind: WechatAppKind,
  check: (app: WechatApp, request: CentralRequest) => void = () => {},
): Type<CanActivate> {
  class AppGuard implements CanActivate {
    constructor(@Inject(ResolvedWechatOptions) private readonly options: ResolvedWechatOptions) {}

    canActivate(context: ExecutionContext): boolean {
      const request = context.switchToHttp().getRequest<CentralRequest>();
      check(this.options.app(kind, request.params.appId), request);
      return true;
    }
  }
  return mixin(AppGuard);
}

function requireSecret({ secret }: WechatApp, { params }: CentralRequest): void {
  if (!isSameText(params.secret ?? '', secret)) throw new CentralError('secret');
}

/** Compares in constant time for any lengths, because hashes have equal lengths. */
function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'));
}

export const MobileAppGuard = appGuard('mobile');
export const MobileSecretGuard = appGuard('mobile', requireSecret);
export const MiniProgramGuard = appGuard('mini-program');
export const MiniProgramSecretGuard = appGuard('mini-program', requireSecret);
