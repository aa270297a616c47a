import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { isAccessTokenRefused } from '../platform/errcode.js';
import { PlatformClient } from '../platform/platform.client.js';
import type { PlatformFile } from '../platform/platform.client.js';
import { WechatBadRequestError, WechatUnavailableError } from '../wechat.errors.js';
import { AccessTokenService } from './access-token.service.js';

/**
 * A call to an API of WeChat that needs an access token. WechatApiClient adds the token.
 *
 * @example
 * ```ts
 * const call: WechatApiCall = { method: 'POST', path: '/wxa/msg_sec_check', body: { content, version: 2, scene: 1, openid } };
 * ```
 */
export interface WechatApiCall {
  method: 'GET' | 'POST';
  /** The path as in WeChat's documentation, such as `/wxa/msg_sec_check`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** The kind of a successful response. WeChat reports errors as JSON in both cases. @default 'json' */
  expect?: 'json' | 'binary';
  /** The appId of a mini program. @default the first one */
  appId?: string;
  /** `idempotent` allows a retry after a timeout or a broken connection. @default 'single-use' */
  retry?: 'single-use' | 'idempotent';
}

const PATH = /^(\/[0-9A-Za-z_-][0-9A-Za-z_.-]*)+$/;

/**
 * Calls any server API of WeChat. It adds the access token. If WeChat refuses the token, it fetches a new one and repeats the
 * call once. An errcode is thrown as an error of this library.
 *
 * @example
 * ```ts
 * const { result } = await api.call<{ result: { suggest: string } }>({
 *   method: 'POST', path: '/wxa/msg_sec_check', body: { version: 2, scene: 2, openid, content },
 * });
 * ```
 */
@Injectable()
export class WechatApiClient {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly platform: PlatformClient,
    private readonly tokens: AccessTokenService,
  ) {}

  /**
   * Calls an API of WeChat.
   * @returns the JSON of the response, or the file for `expect: 'binary'`
   * @throws WechatBadRequestError for a path that is not valid, WechatAppError, WechatCodeError,
   *   WechatRateLimitError, WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async call(call: WechatApiCall & { expect: 'binary' }): Promise<PlatformFile>;
  async call<T extends object = Record<string, unknown>>(call: WechatApiCall): Promise<T>;
  async call(call: WechatApiCall): Promise<object> {
    if (!PATH.test(call.path))
      throw new WechatBadRequestError(
        "path must be a path of WeChat's API, such as /wxa/msg_sec_check",
      );
    const { appId } = await this.apps.require('mini-program', call.appId);
    const deadline = this.platform.deadline();
    const token = await beforeDeadline(this.tokens.get(appId), deadline);
    try {
      return await this.send(call, token, deadline);
    } catch (error) {
      if (!isAccessTokenRefused(error)) throw error;
      return this.send(
        call,
        await beforeDeadline(this.tokens.renew(appId, token), deadline),
        deadline,
      );
    }
  }

  private send(
    { method, path, query, body, expect, retry = 'single-use' }: WechatApiCall,
    token: string,
    deadline: number,
  ): Promise<object> {
    const request = {
      method,
      path,
      query: { ...query, access_token: token },
      body,
      retry,
      deadline,
    };
    return expect === 'binary' ? this.platform.file(request) : this.platform.json(request);
  }
}

/**
 * Waits for a token until the deadline of this call. The fetch continues, because other callers can wait for it.
 * @throws WechatUnavailableError after the deadline
 */
async function beforeDeadline(token: Promise<string>, deadline: number): Promise<string> {
  const done = new AbortController();
  const late = sleep(Math.max(0, deadline - performance.now()), undefined, {
    signal: done.signal,
    ref: false,
  }).then(() => {
    throw new WechatUnavailableError('WeChat returned no access token before the deadline.');
  });
  late.catch(() => undefined);
  return Promise.race([token, late]).finally(() => done.abort());
}
