import { Inject, Injectable, Optional } from '@nestjs/common';
import { WechatConfigError } from '../wechat.errors.js';
import { ResolvedWechatOptions } from '../wechat.options.js';
import { ResolvedPayOptions } from './pay.options.js';

/** What WechatPayModule takes from WechatModule, if the application has both. */
@Injectable()
export class PayDefaults {
  constructor(
    private readonly options: ResolvedPayOptions,
    @Optional() @Inject(ResolvedWechatOptions) private readonly wechat?: ResolvedWechatOptions,
  ) {}

  /**
   * The app of a payment.
   * @throws WechatConfigError if neither the call nor a module names one
   */
  appId(given?: string): string {
    const miniProgram = this.wechat?.apps.find(({ kind }) => kind === 'mini-program');
    const appId = given ?? this.options.appId ?? miniProgram?.appId;
    if (appId !== undefined) return appId;
    throw new WechatConfigError([
      'A payment needs an appId: pass it, set appId of WechatPayModule, or configure a mini program in WechatModule',
    ]);
  }
}
