import { Injectable } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { parseDuration, WechatUnavailableError } from 'nestjs-wechat';
import { throwError, timeout } from 'rxjs';
import type { Observable } from 'rxjs';
import { AppConfig } from '../config.js';

/** For the work after a call of WeChat Pay that reached its own deadline. */
const MARGIN_MS = 500;

/**
 * Gives all calls of WeChat Pay that one request makes one deadline. Each operation has WECHAT_PAY_TIMEOUT, and a request can run several
 * of them, one after the other. After the response the work continues, and the reconciliation repeats what fails.
 */
@Injectable()
export class PayDeadline implements NestInterceptor {
  private readonly ms: number;

  constructor({ pay }: AppConfig) {
    this.ms = (parseDuration(pay?.api?.timeout ?? '5s') ?? 0) + MARGIN_MS;
  }

  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(timeout({ first: this.ms, with: tooSlow }));
  }
}

const tooSlow = (): Observable<never> =>
  throwError(
    () =>
      new WechatUnavailableError('WeChat Pay responds too slowly for all calls of this request.'),
  );
