import { Injectable, Logger } from '@nestjs/common';
import { EventEmitter } from 'node:events';
import type { WechatSession } from './wechat-session.js';

/**
 * What happens to logins, and what comes with it.
 *
 * @example
 * ```ts
 * const onLogin = ({ session, first }: WechatEventMap['login']) => first && welcome(session.openid);
 * events.on('login', onLogin);
 * ```
 */
export interface WechatEventMap {
  /** A user logged in. `first`: the store knew no login of theirs; it forgets users after `session.maxAge`. */
  login: { session: WechatSession; first: boolean };
  /** A session was refreshed. */
  refresh: { session: WechatSession };
  /** A token that was replaced long ago came back, so the login was ended: somebody has a copy. */
  reuse: { session: WechatSession };
  /** A login was ended: by logout, from another device, for all devices, because a new login replaced it or needed its room. */
  end: { id: string };
  /** WeChat does not hold the session_key valid any more that is kept for this user. */
  sessionKeyStale: { session: WechatSession };
}

/**
 * Tells the team's code what happens to logins. A listener can be slow or throw: the request does not wait for it, and its
 * failure is a line in the log.
 *
 * @example
 * ```ts
 * events.on('reuse', ({ session }) => alerts.send(`A session of ${session.openid} was copied`));
 * ```
 */
@Injectable()
export class WechatEvents {
  private readonly logger = new Logger('WechatEvents');
  private readonly emitter = new EventEmitter();

  /** Listens from now on. Answers how to stop. */
  on<Name extends keyof WechatEventMap>(
    name: Name,
    listener: (event: WechatEventMap[Name]) => unknown,
  ): () => void {
    const safely = (event: WechatEventMap[Name]): void => {
      Promise.resolve(event)
        .then(listener)
        .catch((error: unknown) =>
          this.logger.error(`A listener of '${name}' failed: ${String(error)}`),
        );
    };
    this.emitter.on(name, safely);
    return () => void this.emitter.off(name, safely);
  }

  /** @internal */
  emit<Name extends keyof WechatEventMap>(name: Name, event: WechatEventMap[Name]): void {
    this.emitter.emit(name, event);
  }
}
