import { Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { WechatSessionError } from 'nestjs-wechat';
import { WechatSessionStrategy } from 'nestjs-wechat/passport';
import { strategyOf } from '../tokens/credential.guard.js';

/**
 * The Passport strategy `wechat-session` as one of several. A request without a valid session is not an error here, so that
 * Passport tries the next strategy. Any other error, such as a store that is down, ends the request.
 */
@Injectable()
export class SessionStrategy extends WechatSessionStrategy {
  override async validate(request: FastifyRequest): Promise<unknown> {
    const strategy = strategyOf<SessionStrategy>(request, this);
    if (strategy !== this) return strategy.validate(request);
    return super.validate(request).catch((error: unknown) => {
      if (error instanceof WechatSessionError) return undefined;
      throw error;
    });
  }
}
