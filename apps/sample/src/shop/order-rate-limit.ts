import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { getSession } from 'nestjs-wechat';
import { UserLimits, wechatUserName } from '../common/user-limits.js';
import type { UserLimit } from '../common/user-limits.js';
import { AppConfig } from '../config.js';

/**
 * Limits how many orders, and actions on them, one user can send in an hour. So no user fills the table with orders that are never paid, or
 * uses up the merchant's calls of WeChat Pay. Use it behind `SessionGuard`.
 */
@Injectable()
export class OrderRateLimit implements CanActivate {
  private readonly limit: UserLimit;

  constructor(
    { orderRateLimit: points }: AppConfig,
    private readonly limits: UserLimits,
  ) {
    this.limit = { name: 'orders', points, windowMs: 3600_000 };
  }

  /** @throws TooManyRequestsError above the limit, StoreUnavailableError */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { method } = context.switchToHttp().getRequest<FastifyRequest>();
    const session = getSession(context);
    if (!session) return false;
    if (method === 'POST') await this.limits.count(this.limit, wechatUserName(session));
    return true;
  }
}
