import { Catch } from '@nestjs/common';
import type { ArgumentsHost } from '@nestjs/common';
import { WechatDecryptError, WechatSessionError } from 'nestjs-wechat';
import { AppError } from '../common/app-error.js';
import { AppExceptionFilter } from '../common/app-exception.filter.js';

/** The codes and texts that clients of a central service expect. They do not depend on the library's errors. */
const RESPONSES = {
  unauthorized: { status: 401, code: 1000, msg: 'unauthorized', error: 'ERR_WECHAT_SESSION' },
  token: { status: 400, code: 1001, msg: 'without parameter: token', error: 'ERR_BAD_REQUEST' },
  encryptedData: {
    status: 400,
    code: 1002,
    msg: 'without parameter: encrypted data',
    error: 'ERR_BAD_REQUEST',
  },
  iv: { status: 400, code: 1003, msg: 'without parameter: iv', error: 'ERR_BAD_REQUEST' },
  decrypt: { status: 400, code: 1004, msg: 'error: decode failed', error: 'ERR_WECHAT_DECRYPT' },
  secret: { status: 400, code: 40125, msg: 'invalid parameter: secret', error: 'ERR_WECHAT_APP' },
} as const;

export class CentralError extends AppError {
  constructor(name: keyof typeof RESPONSES) {
    const { status, code, msg, error } = RESPONSES[name];
    const headers = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : undefined;
    super(status, error, msg, { code, headers });
  }
}

/** Gives the library's errors the codes of the central service. Errors without such a code go to the app's filter. */
@Catch(WechatSessionError, WechatDecryptError)
export class CentralExceptionFilter extends AppExceptionFilter {
  override catch(error: WechatSessionError | WechatDecryptError, host: ArgumentsHost): void {
    const name = error instanceof WechatDecryptError ? 'decrypt' : 'unauthorized';
    this.respond(new CentralError(name), host);
  }
}
