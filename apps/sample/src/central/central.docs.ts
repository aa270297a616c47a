import { ApiText } from '../docs/api-answer.decorator.js';
import type { FailureCode } from '../docs/failures.js';

export const UPSTREAM_FAILURES: FailureCode[] = [
  'ERR_WECHAT_RATE_LIMIT',
  'ERR_WECHAT_CONFIG',
  'ERR_WECHAT_RESPONSE',
  'ERR_WECHAT_UNAVAILABLE',
  'ERR_STORE_UNAVAILABLE',
];
export const SECRET_FAILURES: FailureCode[] = ['ERR_WECHAT_APP', 'WRONG_SECRET'];
export const TOKEN_FAILURES: FailureCode[] = [
  'ERR_WECHAT_APP',
  'ERR_BAD_REQUEST',
  'WITHOUT_TOKEN',
  'ERR_WECHAT_SESSION',
];

const TOKEN = 'dGhpcyBpcyBhbiBleGFtcGxlLCBub3QgYSB0b2tlbiE';

export const ApiMobileToken = (): MethodDecorator =>
  ApiText({ description: 'The token of this login', example: `mot_${TOKEN}` });
export const ApiSessionToken = (): MethodDecorator =>
  ApiText({ description: 'The session_rd of this login', example: `srd_${TOKEN}` });
