import { Injectable } from '@nestjs/common';
import { hash } from 'node:crypto';
import { WechatApiClient } from '../access-token/wechat-api.client.js';
import { WechatApps } from '../app-registry/wechat-apps.js';
import { KEY_PREFIX } from '../store/keys.js';
import { WechatCache } from '../wechat.cache.js';
import { WechatBadRequestError, WechatResponseError, WechatSceneError } from '../wechat.errors.js';
import { imageTypeOf } from './image-type.js';
import { QrCodeProblems } from './qrcode.options.js';
import type {
  PathQrCodeOptions,
  SquareQrCodeOptions,
  UnlimitedQrCodeOptions,
} from './qrcode.options.js';

/**
 * The image of a mini-program code.
 *
 * @example
 * ```ts
 * const { data, contentType }: WechatQrCode = await qrCodes.get({ path: 'pages/index/index' });
 * reply.type(contentType).send(data);
 * ```
 */
export interface WechatQrCode {
  /** The bytes of the image. */
  data: Buffer;
  /** `image/jpeg`, or `image/png` for a transparent code. It is read from the bytes of the image. */
  contentType: string;
}

/** How long an image stays in the cache. Codes are permanent, so this only limits the memory of unused images. */
const CACHE_TTL_MS = 24 * 60 * 60_000;
/** A proxy may label every file as `application/octet-stream`. The bytes of the image decide. */
const IMAGE_LABELS = /^(image\/|application\/octet-stream\b)/;

/**
 * Creates mini-program codes. Options are validated before WeChat is called. Equal requests return the cached image.
 *
 * @example
 * ```ts
 * const { data, contentType } = await qrCodes.getUnlimited({ scene: 'order=42', page: 'pages/order/order' });
 * ```
 */
@Injectable()
export class QrCodeService {
  /** @internal */
  constructor(
    private readonly apps: WechatApps,
    private readonly api: WechatApiClient,
    private readonly cache: WechatCache,
  ) {}

  /**
   * Creates a round code with a `scene`. An app can have any number of these codes. The page gets `scene` in
   * `onLoad(query)`, URL-encoded.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getUnlimitedQRCode.html
   * @throws WechatSceneError, WechatPageError, WechatBadRequestError, WechatResponseError if WeChat does not return
   *   an image, and the errors of WechatApiClient.call
   */
  async getUnlimited(options: UnlimitedQrCodeOptions): Promise<WechatQrCode> {
    const problems = new QrCodeProblems();
    if (!problems.isScene(options.scene)) throw new WechatSceneError();
    problems.page(options.page);
    problems.style(options);
    const { scene, page, checkPath } = options;
    return this.fetch('/wxa/getwxacodeunlimit', problems, options, {
      scene,
      page,
      check_path: checkPath,
      ...styleOf(options),
    });
  }

  /**
   * Creates a round code for a path with a query. An app can have 100,000 codes of `get` and `create` together.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/getQRCode.html
   * @throws the errors of getUnlimited, except WechatSceneError
   */
  async get(options: PathQrCodeOptions): Promise<WechatQrCode> {
    const problems = new QrCodeProblems();
    problems.path(options.path, 1024);
    problems.style(options);
    return this.fetch('/wxa/getwxacode', problems, options, {
      path: options.path,
      ...styleOf(options),
    });
  }

  /**
   * Creates a square code for a path with a query. It counts towards the 100,000 codes of `get`.
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/qrcode-link/qr-code/createQRCode.html
   * @throws the errors of getUnlimited, except WechatSceneError
   */
  async create(options: SquareQrCodeOptions): Promise<WechatQrCode> {
    const problems = new QrCodeProblems();
    problems.path(options.path, 128);
    problems.width(options.width);
    return this.fetch('/cgi-bin/wxaapp/createwxaqrcode', problems, options, {
      path: options.path,
      width: options.width,
    });
  }

  private async fetch(
    path: string,
    { found }: QrCodeProblems,
    options: { appId?: string },
    body: object,
  ): Promise<WechatQrCode> {
    if (found.length > 0) throw new WechatBadRequestError(found.join('; '));
    const { appId } = await this.apps.require('mini-program', options.appId);
    const key =
      KEY_PREFIX.qrCode + hash('sha256', JSON.stringify([appId, path, body]), 'base64url');
    const base64 = await this.cache.wrap(key, CACHE_TTL_MS, () =>
      this.fetchImage(path, appId, body),
    );
    const data = Buffer.from(base64, 'base64');
    return { data, contentType: imageTypeOf(data) ?? 'image/jpeg' };
  }

  /** Returns the image as base64, because a cache may serialise its values as JSON. */
  private async fetchImage(path: string, appId: string, body: object): Promise<string> {
    const { data, contentType } = await this.api.call({
      method: 'POST',
      path,
      body,
      appId,
      expect: 'binary',
      retry: 'idempotent',
    });
    if (!imageTypeOf(data) || !IMAGE_LABELS.test(contentType))
      throw new WechatResponseError(`${path} returned data that is not an image.`, {
        endpoint: path,
      });
    return data.toString('base64');
  }
}

function styleOf({
  width,
  autoColor,
  lineColor,
  isHyaline,
  envVersion,
}: Omit<UnlimitedQrCodeOptions, 'scene'>): object {
  return {
    width,
    auto_color: autoColor,
    line_color: lineColor,
    is_hyaline: isHyaline,
    env_version: envVersion,
  };
}
