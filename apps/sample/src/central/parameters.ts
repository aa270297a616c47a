import { sessionRdFrom, WechatBadRequestError } from 'nestjs-wechat';
import { AppError } from '../common/app-error.js';

/** What a central route cannot do without, with the codes that its clients know. */
const REQUIRED = {
  token: { code: 1001, text: 'token' },
  encryptedData: { code: 1002, text: 'encrypted data' },
  iv: { code: 1003, text: 'iv' },
} as const;

/** A parameter is absent. An empty token is none either; other text that is empty is judged like all text. */
class MissingParameterError extends AppError {
  constructor(parameter: keyof typeof REQUIRED) {
    const { code, text } = REQUIRED[parameter];
    super(400, 'ERR_BAD_REQUEST', `without parameter: ${text}`, { code });
  }
}

/** @throws MissingParameterError for the first that is missing */
export function requireParameters(
  given: Record<string, unknown>,
  ...names: (keyof typeof REQUIRED)[]
): void {
  const missing = names.find(
    (name) =>
      given[name] === undefined || given[name] === null || (name === 'token' && given[name] === ''),
  );
  if (missing) throw new MissingParameterError(missing);
}

/**
 * The token of a request: the parameter that existing clients send, or the header that new ones should.
 * @throws WechatBadRequestError if both are there and differ, MissingParameterError if neither is
 */
export function tokenOf(parameter: unknown, authorization?: string): string {
  const bearer = sessionRdFrom({ headers: { authorization } });
  const token = parameter === undefined || parameter === '' ? bearer : parameter;
  requireParameters({ token }, 'token');
  if (typeof token !== 'string') throw new WechatBadRequestError('the token must be a text');
  if (bearer !== undefined && bearer !== token)
    throw new WechatBadRequestError(
      'the request and its Authorization header carry different tokens; send one.',
    );
  return token;
}
