import type { WechatSession } from './wechat-session.js';

/**
 * Turns a session into the team's own user. Written by the team and passed as `options.users`; `@CurrentUser()` calls it,
 * at most once a request, and only where a handler asks for the user.
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
  /** The user of this session. `undefined` or `null` says that there is none any more: the request is answered with 401. */
  resolve(session: WechatSession): Promise<User | undefined | null> | User | undefined | null;
}
