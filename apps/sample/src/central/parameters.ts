import { sessionRdFrom } from 'nestjs-wechat';
import { BadRequestError } from '../common/app-error.js';
import { CentralError } from './central.errors.js';

/**
 * Checks that parameters are present. An empty token counts as missing; any other empty text does not.
 *
 * @throws CentralError for the first that is missing
 */
export function requireParameters(
  given: Record<string, unknown>,
  ...names: ('token' | 'encryptedData' | 'iv')[]
): void {
  const missing = names.find(
    (name) =>
      given[name] === undefined || given[name] === null || (name === 'token' && given[name] === ''),
  );
  if (missing) throw new CentralError(missing);
}

/** The start of a session_rd and of the token of a mobile login. */
const TOKEN = /^(srd|mot)_/;

/**
 * Returns the token of a request: the parameter, which existing clients send, or the header, which new clients should use. A bearer of
 * another kind, such as the JWT of a gateway, may be sent beside the parameter.
 * @throws BadRequestError if both are present and differ, CentralError if neither is present
 */
export function tokenOf(parameter: unknown, authorization?: string): string {
  const bearer = sessionRdFrom({ headers: { authorization } });
  const token = parameter === undefined || parameter === '' ? bearer : parameter;
  requireParameters({ token }, 'token');
  if (typeof token !== 'string') throw new BadRequestError('the token must be a text');
  if (bearer !== undefined && bearer !== token && TOKEN.test(bearer))
    throw new BadRequestError(
      'the request and its Authorization header carry different tokens; send one.',
    );
  return token;
}
