import { Reflector } from '@nestjs/core';

/**
 * The permissions of an app token. `account`: everything. `phone`: read the account without its openids, because only the phone
 * number connects the WeChat user with it (docs/account-linking.md).
 */
export type TokenScope = 'account' | 'phone';

/** Allows more scopes on a route. A route without it takes tokens of scope `account` only. */
export const AllowScopes = Reflector.createDecorator<TokenScope[]>();
