import { ApiTextEnvelope } from '../docs/api-responses.decorator.js';
import type { DocumentedError } from '../docs/documented-errors.js';
import { CentralError } from './central.errors.js';

export const UPSTREAM_ERRORS: DocumentedError[] = [
  'ERR_WECHAT_RATE_LIMIT',
  'ERR_WECHAT_CONFIG',
  'ERR_WECHAT_RESPONSE',
  'ERR_WECHAT_UNAVAILABLE',
  'ERR_STORE_UNAVAILABLE',
];
export const SECRET_ERRORS = [
  'ERR_WECHAT_APP',
  { WRONG_SECRET: new CentralError('secret') },
] as const;
export const TOKEN_ERRORS = [
  'ERR_WECHAT_APP',
  'ERR_BAD_REQUEST',
  {
    WITHOUT_TOKEN: new CentralError('token'),
    ERR_WECHAT_SESSION: new CentralError('unauthorized'),
  },
] as const;
export const OPEN_DATA_ERRORS = {
  WITHOUT_ENCRYPTED_DATA: new CentralError('encryptedData'),
  WITHOUT_IV: new CentralError('iv'),
  ERR_WECHAT_DECRYPT: new CentralError('decrypt'),
};

const TOKEN = 'dGhpcyBpcyBhbiBleGFtcGxlLCBub3QgYSB0b2tlbiE';

export const ApiMobileToken = (): MethodDecorator =>
  ApiTextEnvelope({ description: 'The token of this login', example: `mot_${TOKEN}` });
export const ApiSessionToken = (): MethodDecorator =>
  ApiTextEnvelope({ description: 'The session_rd of this login', example: `srd_${TOKEN}` });
