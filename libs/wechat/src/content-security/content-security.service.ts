import { Injectable } from '@nestjs/common';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { isHttpUrl, isText, requireOpenid, requireValid } from '../platform/wechat-text.js';
import { WechatResponseError } from '../wechat.errors.js';
import { traceIdOf, verdictOf } from './content-verdict.js';
import type { ContentVerdict } from './content-verdict.js';

/**
 * Where the content will be seen: 资料 (profile), 评论 (comment), 论坛 (forum), 社交日志 (social).
 *
 * @example
 * ```ts
 * const scene: ContentScene = 'comment';
 * ```
 * @experimental
 */
export type ContentScene = 'profile' | 'comment' | 'forum' | 'social';

/**
 * A text that a user wrote.
 *
 * @example
 * ```ts
 * const text: TextCheck = { content: comment, scene: 'comment', openid };
 * ```
 * @experimental
 */
export interface TextCheck {
  /** 1 to 2,500 characters. */
  content: string;
  scene: ContentScene;
  /** The user who wrote it. The user must have opened the mini program within the last two hours. */
  openid: string;
  /** The title of the content. */
  title?: string;
  /** The nickname of the user. */
  nickname?: string;
  /** The signature of the user's profile; only in the scene `profile`. */
  signature?: string;
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

/**
 * A file that a user uploaded.
 *
 * @example
 * ```ts
 * const file: MediaCheck = { url: 'https://shop.example/content/42.jpg', type: 'image', scene: 'profile', openid };
 * ```
 * @experimental
 */
export interface MediaCheck {
  /** WeChat downloads the file from here: at most 10 MB; jpg, png, bmp, gif; mp3, aac, ac3, wma, flac, vorbis, opus, wav. */
  url: string;
  type: 'audio' | 'image';
  scene: ContentScene;
  /** The user who uploaded it. The user must have opened the mini program within the last two hours. */
  openid: string;
  /** The appId of a mini program. @default the first one */
  appId?: string;
}

const TEXT = '/wxa/msg_sec_check';
const MEDIA = '/wxa/media_check_async';
const SCENES: Record<ContentScene, number> = { profile: 1, comment: 2, forum: 3, social: 4 };
const MEDIA_TYPES: Record<MediaCheck['type'], number> = { audio: 1, image: 2 };
const MAX_CONTENT = 2500;

/**
 * Lets WeChat check texts, pictures and sounds of users (内容安全). Content that is not checked is a reason to reject the review of a
 * mini program.
 *
 * @example
 * ```ts
 * const { suggest } = await content.checkText({ content: comment, scene: 'comment', openid });
 * if (suggest !== 'pass') throw new BadRequestException('choose other words');
 * ```
 * @experimental
 */
@Injectable()
export class ContentSecurityService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
  ) {}

  /**
   * Checks a text. Risky content is a verdict and not an error.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/msgSecCheck.html
   * @throws WechatNotVisitedError, WechatBadRequestError, WechatResponseError if the response has no verdict, and what
   *   WechatApiClient.call throws
   */
  async checkText(text: TextCheck): Promise<ContentVerdict> {
    const { content, scene, title, nickname, signature } = text;
    requireValid(
      isText(content, 1, MAX_CONTENT),
      `content must be text of 1 to ${MAX_CONTENT} characters`,
    );
    for (const [name, value] of Object.entries({ title, nickname, signature }))
      requireValid(
        value === undefined || isText(value, 0, MAX_CONTENT),
        `${name} must be text of at most ${MAX_CONTENT} characters`,
      );
    requireValid(
      signature === undefined || scene === 'profile',
      "signature is only for scene 'profile'",
    );
    const response = await this.call(TEXT, { content, title, nickname, signature }, text);
    const verdict = verdictOf(response);
    if (!verdict) throw new WechatResponseError(`${TEXT} returned no verdict.`, { endpoint: TEXT });
    return verdict;
  }

  /**
   * Asks WeChat to check a file. The verdict arrives as a push within 30 minutes: pass the push `wxa_media_check` to
   * `readMediaVerdict`. It can arrive before this call returns, twice, or never.
   *
   * @returns the id that the verdict has
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/sec-center/sec-check/mediaCheckAsync.html
   * @throws WechatNotVisitedError, WechatBadRequestError, WechatRateLimitError, WechatResponseError if the response has no id, and
   *   what WechatApiClient.call throws
   */
  async checkMedia(media: MediaCheck): Promise<{ traceId: string }> {
    const { url, type } = media;
    requireValid(isHttpUrl(url), 'url must be an http or https URL of at most 2048 characters');
    requireValid(Object.hasOwn(MEDIA_TYPES, type), 'type must be audio or image');
    const body = { media_url: url, media_type: MEDIA_TYPES[type] };
    const traceId = traceIdOf(await this.call(MEDIA, body, media));
    if (traceId === undefined)
      throw new WechatResponseError(`${MEDIA} returned no trace_id.`, { endpoint: MEDIA });
    return { traceId };
  }

  private async call(
    path: string,
    fields: object,
    { scene, openid, appId }: { scene: ContentScene; openid: string; appId?: string },
  ): Promise<Record<string, unknown>> {
    requireOpenid(openid);
    requireValid(
      Object.hasOwn(SCENES, scene),
      `scene must be one of: ${Object.keys(SCENES).join(', ')}`,
    );
    return this.api.call({
      method: 'POST',
      path,
      body: { ...fields, version: 2, scene: SCENES[scene], openid },
      appId: (await this.apps.require('mini-program', appId)).appId,
      retry: path === TEXT ? 'idempotent' : 'single-use',
    });
  }
}
