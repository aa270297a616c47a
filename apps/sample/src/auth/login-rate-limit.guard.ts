import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { ThrottlerLimitDetail } from '@nestjs/throttler';
import { WechatRateLimitError } from 'nestjs-wechat';

/** Counts logins, phone logins and code exchanges of one address together; bound to those routes only, since it costs every request it sees. */
@Injectable()
export class LoginRateLimitGuard extends ThrottlerGuard {
  protected override generateKey(_context: ExecutionContext, address: string): string {
    return address;
  }

  protected override throwThrottlingException(
    _context: ExecutionContext,
    { timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    throw new WechatRateLimitError(timeToBlockExpire);
  }
}
