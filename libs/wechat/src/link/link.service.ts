import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { parseDuration } from '../duration.js';
import type { Duration } from '../duration.js';
import { requireValid } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';

/**
 * A URL Link: it opens the mini program from a text message, an e-mail or a web page.
 *
 * @example
 * ```ts
 * const link: UrlLinkOptions = { path: 'pages/order/order', query: 'id=42', expiresIn: '7d' };
 * ```
 * @experimental
 */
export interface UrlLinkOptions {
  /** A released page, without its query. @default the home page */
  path?: string;
  /** The query of the page: up to 1024 of the characters 0-9 a-z A-Z !#$&'()*+,/:;=?@-._~% */
  query?: string;
  /** Whole days, from `1d` to `30d`. @default '30d' */
  expiresIn?: Duration;
  /** A time within the next 30 days, instead of `expiresIn`. */
  expiresAt?: Date;
  /** The version of the mini program that the link opens. @default 'release' */
  envVersion?: 'release' | 'trial' | 'develop';
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

const ENDPOINT = '/wxa/generate_urllink';
const DAY_MS = 86_400_000;
const MAX_DAYS = 30;
const PATH = /^\/?[0-9A-Za-z_-][0-9A-Za-z_./-]{0,1023}$/;
const QUERY = /^[0-9A-Za-z!#$&'()*+,/:;=?@\-._~%]{0,1024}$/;
const VERSIONS = ['release', 'trial', 'develop'];

/**
 * Creates links that open the mini program from outside of WeChat.
 *
 * @example
 * ```ts
 * const url = await links.generateUrlLink({ path: 'pages/order/order', query: 'id=42', expiresIn: '7d' });      // 'https://wxaurl.cn/…'
 * ```
 * @experimental
 */
@Injectable()
export class LinkService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
  ) {}

  /**
   * Creates a URL Link. Every call creates a new one and counts towards the 500,000 links of a day.
   *
   * @returns the URL, such as `https://wxaurl.cn/…`
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/url-link/generateUrlLink.html
   * @throws WechatBadRequestError, WechatConfigError if the app may create no links or has no release, WechatRateLimitError,
   *   WechatResponseError if the response has no URL, and what WechatApiClient.call throws
   */
  async generateUrlLink(link: UrlLinkOptions = {}): Promise<string> {
    const { path, query, envVersion } = link;
    requireValid(
      path === undefined || (typeof path === 'string' && PATH.test(path)),
      'path must be a page such as pages/index/index, without query',
    );
    requireValid(
      query === undefined || (typeof query === 'string' && QUERY.test(query)),
      'query must be up to 1024 characters as in a URL; encode others by encodeURIComponent',
    );
    requireValid(
      envVersion === undefined || VERSIONS.includes(envVersion),
      `envVersion must be one of: ${VERSIONS.join(', ')}`,
    );
    const { url_link: url } = await this.api.call({
      method: 'POST',
      path: ENDPOINT,
      body: { path, query, ...expiryOf(link), env_version: envVersion },
      appId: (await this.apps.require('mini-program', link.appId)).appId,
      retry: 'idempotent',
    });
    if (typeof url !== 'string' || !/^https:\/\/[\x21-\x7e]{1,2000}$/.test(url))
      throw new WechatResponseError(`${ENDPOINT} returned no link.`, { endpoint: ENDPOINT });
    return url;
  }
}

/** `expire_type` 0 is a time, 1 is a number of days. */
function expiryOf({ expiresIn, expiresAt }: UrlLinkOptions): object {
  requireValid(
    expiresIn === undefined || expiresAt === undefined,
    'expiresIn and expiresAt exclude each other',
  );
  return expiresAt === undefined ? interval(expiresIn ?? `${MAX_DAYS}d`) : time(expiresAt);
}

function interval(expiresIn: Duration): object {
  const days = (parseDuration(expiresIn) ?? NaN) / DAY_MS;
  requireValid(
    Number.isInteger(days) && days >= 1 && days <= MAX_DAYS,
    `expiresIn must be whole days, from 1d to ${MAX_DAYS}d`,
  );
  return { expire_type: 1, expire_interval: days };
}

function time(expiresAt: Date): object {
  const ahead = expiresAt instanceof Date ? expiresAt.getTime() - Date.now() : NaN;
  requireValid(
    ahead > 0 && ahead <= MAX_DAYS * DAY_MS,
    `expiresAt must be a Date within the next ${MAX_DAYS} days`,
  );
  return { expire_type: 0, expire_time: Math.floor(Number(expiresAt) / 1000) };
}
