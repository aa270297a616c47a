import { Injectable } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ThrottlerGuard } from '@nestjs/throttler';
import type { ThrottlerLimitDetail } from '@nestjs/throttler';
import { TooManyRequestsError } from './app-error.js';

/** Counts logins, phone logins and code exchanges of one IP address together. */
@Injectable()
export class LoginRateLimitGuard extends ThrottlerGuard {
  protected override generateKey(_context: ExecutionContext, address: string): string {
    return address;
  }

  protected override throwThrottlingException(
    _context: ExecutionContext,
    { timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    throw new TooManyRequestsError(timeToBlockExpire);
  }
}
