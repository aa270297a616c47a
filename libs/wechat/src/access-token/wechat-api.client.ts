import { Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAccessTokenRefused } from '../platform/errcode.js';
import { PlatformClient } from '../platform/platform.client.js';
import type { PlatformFile, PlatformJson, PlatformRequest } from '../platform/platform.client.js';
import { WechatBadRequestError, WechatUnavailableError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { AccessTokenService } from './access-token.service.js';

/**
 * A call of one of WeChat's APIs that take an access token. The token is ours to add.
 *
 * @example
 * ```ts
 * const call: WechatApiCall = { method: 'POST', path: '/wxa/msg_sec_check', body: { content, version: 2, scene: 1, openid } };
 * ```
 */
export interface WechatApiCall {
  method: 'GET' | 'POST';
  /** Path as WeChat's page has it, such as `/wxa/msg_sec_check`. */
  path: string;
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: object;
  /** What success looks like; failure is JSON in any case. @default 'json' */
  expect?: 'json' | 'binary';
  /** Which mini program. @default the first one */
  appId?: string;
  /** `idempotent` allows a repetition after a timeout or a broken connection. @default 'single-use' */
  retry?: PlatformRequest['retry'];
}

const PATH = /^(\/[0-9A-Za-z_-][0-9A-Za-z_.-]*)+$/;

/**
 * Reaches any of WeChat's server APIs: adds the access token, and where WeChat refuses it, gets a fresh one and asks once
 * more. The answer is judged like every other: an errcode becomes an error of this library.
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
  constructor(
    private readonly options: ResolvedWechatOptions,
    private readonly platform: PlatformClient,
    private readonly tokens: AccessTokenService,
  ) {}

  /**
   * @throws WechatBadRequestError for a path that is not valid, WechatAppError, WechatCodeError,
   *   WechatRateLimitError, WechatUnavailableError, WechatResponseError, WechatConfigError, StoreUnavailableError
   */
  async call(call: WechatApiCall & { expect: 'binary' }): Promise<PlatformFile>;
  async call<T extends object = PlatformJson>(call: WechatApiCall): Promise<T>;
  async call(call: WechatApiCall): Promise<object> {
    if (!PATH.test(call.path))
      throw new WechatBadRequestError('path must be a path of WeChat, such as /wxa/msg_sec_check');
    const { appId } = this.options.app('mini-program', call.appId);
    const deadline = this.platform.deadline();
    const token = await inTime(this.tokens.get(appId), deadline);
    try {
      return await this.send(call, token, deadline);
    } catch (error) {
      if (!isAccessTokenRefused(error)) throw error;
      return this.send(call, await inTime(this.tokens.renew(appId, token), deadline), deadline);
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

/** A token that many wait for is fetched on; a caller whose own deadline is over does not wait with them. */
async function inTime(token: Promise<string>, deadline: number): Promise<string> {
  const over = new AbortController();
  const late = sleep(Math.max(0, deadline - performance.now()), undefined, {
    signal: over.signal,
    ref: false,
  }).then(() => {
    throw new WechatUnavailableError('WeChat did not give an access token in time.');
  });
  late.catch(() => undefined);
  return Promise.race([token, late]).finally(() => over.abort());
}
