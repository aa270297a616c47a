import type { WechatSession } from './wechat-session.js';

/**
 * Finds your own user by a session. Pass a class or an instance as `options.users`, or provide it under the token
 * `WECHAT_USER_RESOLVER`. It is called at most once a request: when `@CurrentUser()` or `request.user` first reads the user, or
 * in the guard with `eagerUser: true`.
 *
 * @example
 * ```ts
 * @Injectable()
 * class Users implements WechatUserResolver<User> {
 *   constructor(private readonly database: Database) {}
 *   resolve({ openid }: WechatSession) { return this.database.findUser({ openid }); }
 * }
 * ```
 */
export interface WechatUserResolver<User = unknown> {
  /** Returns the user of this session. `undefined` or `null`: the user no longer exists, and the response is 401. */
  resolve(session: WechatSession): Promise<User | undefined | null> | User | undefined | null;
}
