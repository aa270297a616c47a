import { Injectable, Logger } from '@nestjs/common';
import { EventEmitter } from 'node:events';
import type { WechatSession } from './wechat-session.js';

/**
 * The events of sessions, and the payload of each.
 *
 * @example
 * ```ts
 * const onLogin = ({ session, first }: WechatEventMap['login']) => first && welcome(session.openid);
 * events.on('login', onLogin);
 * ```
 */
export interface WechatEventMap {
  /** A user logged in. `first` is true if the store has no record of the user. A record expires after `session.maxAge`. */
  login: { session: WechatSession; first: boolean };
  /** A session was refreshed. */
  refresh: { session: WechatSession };
  /** A client sent a token that was replaced earlier. The token was probably copied, so the session was revoked. */
  reuse: { session: WechatSession };
  /** A session was revoked: by a logout, from another device, by a new login that replaced it, or because the user had too many. */
  end: { id: string };
  /** WeChat no longer accepts the stored session_key of this user. */
  sessionKeyStale: { session: WechatSession };
}

/**
 * Calls listeners of the application when a session changes. The request does not wait for a listener. The error of a
 * listener is logged.
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

  /**
   * Adds a listener.
   * @returns a function that removes the listener
   */
  on<Name extends keyof WechatEventMap>(
    name: Name,
    listener: (event: WechatEventMap[Name]) => unknown,
  ): () => void {
    const callSafely = (event: WechatEventMap[Name]): void => {
      Promise.resolve(event)
        .then(listener)
        .catch((error: unknown) =>
          this.logger.error(`A listener of the event '${name}' failed: ${String(error)}`),
        );
    };
    this.emitter.on(name, callSafely);
    return () => void this.emitter.off(name, callSafely);
  }

  /** @internal */
  emit<Name extends keyof WechatEventMap>(name: Name, event: WechatEventMap[Name]): void {
    this.emitter.emit(name, event);
  }
}
