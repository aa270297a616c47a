import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { WechatPayOptions } from './pay.options.js';

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<WechatPayOptions>({ moduleName: 'WechatPay' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createWechatPayOptions')
    .setExtras({ isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      global: isGlobal,
    }))
    .build();
