import { Injectable } from '@nestjs/common';
import { SessionKeyService } from '../session/session-key.service.js';
import { hashOfUser } from '../session/user.repository.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatStore } from '../store/wechat.store.js';
import type { WechatSession } from '../wechat-session.js';
import { WechatClock } from '../wechat.clock.js';
import {
  WechatDecryptError,
  WechatRateLimitError,
  WechatSignatureError,
} from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { decryptOpenData, requireText, verifyRawData } from './open-data.js';
import type { EncryptedOpenData, SignedRawData } from './open-data.js';

/** Per user and app, not per session: a user can log in again at any time, and each login is a new session. */
const MAX_FAILURES = 10;
/** From the first attempt. */
const WINDOW_MS = 10 * 60_000;

/**
 * Decrypts and verifies open data of a session's user. The session_key never leaves this library.
 *
 * @example
 * ```ts
 * await crypto.verifyRawData(session, { rawData, signature });
 * const { nickName } = await crypto.decryptOpenData<WechatUserProfile>(session, { encryptedData, iv });
 * ```
 */
@Injectable()
export class CryptoService {
  /** @internal */
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly sessionKeys: SessionKeyService,
    private readonly store: WechatStore,
    private readonly clock: WechatClock,
  ) {}

  /**
   * Decrypts the data of `wx.getUserInfo`, the phone button, `wx.getWeRunData` and similar functions, and checks that it has
   * the session's app and user and is no older than `openData.maxAge`.
   *
   * @param data as the mini program got it
   * @returns the decrypted object
   * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
   * @throws WechatBadRequestError if a field is absent, WechatDecryptError for every other cause,
   *   WechatRateLimitError after ten failures of this user in this app within ten minutes, StoreUnavailableError
   */
  async decryptOpenData<T = Record<string, unknown>>(
    session: WechatSession,
    { encryptedData, iv }: EncryptedOpenData,
  ): Promise<T> {
    requireText({ encryptedData, iv }, 'encryptedData', 'iv');
    const { appId, openid } = session;
    const checks = {
      appId,
      openid,
      encryptedData,
      iv,
      maxAge: this.options.openData.maxAgeMs,
      now: this.clock.now(),
    };
    return this.withAnyKey(session, new WechatDecryptError(), (sessionKey) =>
      decryptOpenData<T>({ ...checks, sessionKey }),
    );
  }

  /**
   * Verifies the signature of `rawData`. Pass `rawData` unchanged: the signature is over its bytes.
   *
   * @param data as the mini program got it
   * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.html
   * @throws WechatBadRequestError if a field is absent, WechatSignatureError if the signature does not match,
   *   WechatRateLimitError after ten failures of this user in this app within ten minutes, StoreUnavailableError
   */
  async verifyRawData(
    session: WechatSession,
    { rawData, signature }: SignedRawData,
  ): Promise<void> {
    requireText({ rawData, signature }, 'rawData', 'signature');
    await this.withAnyKey(session, new WechatSignatureError(), (sessionKey) =>
      verifyRawData({ sessionKey, rawData, signature }),
    );
  }

  /**
   * Tries the keys that may fit. Every attempt is counted before it is made, and is taken off the count unless it fails. So the
   * count is never below the number of failures, and parallel attempts cannot exceed the limit.
   */
  private async withAnyKey<T>(
    session: WechatSession,
    refusal: WechatDecryptError | WechatSignatureError,
    attempt: (sessionKey: string) => T,
  ): Promise<T> {
    const counter = KEY_PREFIX.decryptFailures + hashOfUser(session);
    const { count, resetsInMs } = await this.store.count(counter, 1, WINDOW_MS);
    const resetsAt = this.clock.now() + resetsInMs;
    if (count > MAX_FAILURES) {
      await this.takeOff(counter, resetsAt);
      throw new WechatRateLimitError(Math.ceil(resetsInMs / 1000));
    }
    for (const sessionKey of await this.sessionKeys.of(session)) {
      const result = attemptOrRefused(() => attempt(sessionKey), refusal);
      if (result === REFUSED) continue;
      await this.takeOff(counter, resetsAt);
      return result;
    }
    throw refusal;
  }

  /** Not in the last second of the window: the counter could start again in between, and the next window would allow one more. */
  private async takeOff(counter: string, resetsAt: number): Promise<void> {
    if (this.clock.now() < resetsAt - 1000) await this.store.count(counter, -1, WINDOW_MS);
  }
}

const REFUSED = Symbol('refused');

function attemptOrRefused<T>(attempt: () => T, refusal: Error): T | typeof REFUSED {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof refusal.constructor) return REFUSED;
    throw error;
  }
}
